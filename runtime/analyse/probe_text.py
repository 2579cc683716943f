"""A probe for a reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from ...compiler.folding import ranges
from ...compiler.plan import PlannedStore
from ...compiler.tables import table
from .records import Agreement, Change, Effect, Finding, Moved, Probe

_INDEX = re.compile(r"(?<=\.)\d+(?=\.|$)")

ItemT = TypeVar("ItemT")


def probe_text(probe: Probe) -> str:
    """Sections: modes, stores, shared stores, features, findings."""
    sections = [_title(probe), _modes(probe), _stores(probe), _shared(probe), _features(probe), _findings(probe)]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _title(probe: Probe) -> list[str]:
    settings = probe.settings
    counts = [len(probe.steps_of(mode)) for mode in probe.modes]
    steps = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    return [
        f"probe of {probe.plan.spec.name}",
        f"  {steps} steps of each trained mode, {settings.batch} x {settings.sequence_length} tokens each, "
        f"float32 on the CPU, seed {settings.seed}",
        f"  tokens: {probe.data}",
    ]


def _modes(probe: Probe) -> list[str]:
    rows = []
    for name, mode in probe.plan.modes.items():
        steps = probe.steps_of(name)
        losses = [f"{step.loss:.4f}" for step in (steps[0], steps[-1])] if steps else ["not trained", "-"]
        rows.append((name, mode.depth, len(mode.positions), len(mode.training_sites or mode.sites), *losses))
    return ["modes", *table(("mode", "depth", "positions", "sites", "first loss", "last loss"), rows)]


def _stores(probe: Probe) -> list[str]:
    """A row for the stores that differ only in an index, by mode; then those that no optimizer trains."""

    def treatment(store: PlannedStore) -> Hashable:
        return store.shape, store.group, tuple(probe.reached(store, mode) for mode in probe.modes)

    trained = ((store.name, store) for store in probe.plan.stores if store.trainable)
    untrained = ((store.name, store) for store in probe.plan.stores if not store.trainable)
    folded = _folded(trained, treatment)
    rows = [_store_row(probe, name, stores, mode) for name, stores in folded for mode in probe.modes]
    return [
        "stores (norms at the first and at the last step, smallest to largest of the n; 0: exactly zero)",
        *table(("store", "n", "group", "mode", "gradient", "then", "update", "then"), rows),
        *(f"  {name}: {stores[0].group}, never trained" for name, stores in _folded(untrained, treatment)),
    ]


def _store_row(probe: Probe, name: str, stores: Sequence[PlannedStore], mode: str) -> tuple[object, ...]:
    steps = probe.steps_of(mode)
    first, last = ([step.stores[store.name] for store in stores] for step in (steps[0], steps[-1]))
    updates = [_spread([moved.update for moved in found]) for found in (first, last)]
    return name, len(stores), stores[0].group, mode, _gradients(first), _gradients(last), *updates


def _gradients(found: list[Moved]) -> str:
    values = [moved.gradient for moved in found if moved.gradient is not None]
    return _spread(values) if values else "never"


def _spread(values: list[float]) -> str:
    low, high = _short(min(values)), _short(max(values))
    return low if low == high else f"{low}..{high}"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _shared(probe: Probe) -> list[str]:
    """Only stores that have at least two sites in a trained mode."""
    named = ((item.store, item) for item in probe.agreements)
    folded = _folded(named, lambda item: (item.mode, item.sites, item.silent))
    if not folded:
        return []
    header = ("store", "n", "mode", "sites", "silent", "mean", "lowest")
    return [
        "shared stores (cosines between the gradients of a store's sites after the steps; silent sites give none)",
        *table(header, [_shared_row(name, found) for name, found in folded]),
    ]


def _shared_row(name: str, found: Sequence[Agreement]) -> tuple[object, ...]:
    means = [item.mean for item in found if item.mean is not None]
    lowest = [item.lowest for item in found if item.lowest is not None]
    figures = (f"{sum(means) / len(means):+.3f}", f"{min(lowest):+.3f}") if means and lowest else ("-", "-")
    return name, len(found), found[0].mode, found[0].sites, found[0].silent, *figures


def _features(probe: Probe) -> list[str]:
    if not probe.effects:
        return []
    rows = [_feature_row(effect) for effect in probe.effects]
    header = ("feature", "mode", "positions", "logits", "loss", "logits then", "loss then")
    return [
        "features (taken away one at a time: relative change of the logits and change of the loss in nats,",
        "at the start and after the steps; 0: exactly none, as where it starts at zero)",
        *table(header, rows),
        *([f"  not taken away: {', '.join(probe.not_removed)}"] if probe.not_removed else []),
    ]


def _feature_row(effect: Effect) -> tuple[object, ...]:
    positions = ranges(effect.positions) or "-"
    return effect.name, effect.mode, positions, *_figures(effect.start), *_figures(effect.end)


def _figures(change: Change) -> tuple[str, str]:
    return (_short(change.logits), f"{change.loss:+.2g}") if change.logits else ("0", "0")


def _findings(probe: Probe) -> list[str]:
    if not probe.findings:
        return ["findings: none"]
    return ["findings", *(f"  {_finding(finding)}" for finding in probe.findings)]


def _finding(finding: Finding) -> str:
    level = "expected error" if finding.level == "expected" else finding.level
    return f"{level}: {finding.subject}: {finding.message}"


def _folded(named: Iterable[tuple[str, ItemT]], alike: Callable[[ItemT], Hashable]) -> list[tuple[str, list[ItemT]]]:
    """Names that differ only in their first index as one, `alike` in the same way, with what belongs to each."""
    rows: dict[tuple[str, str, Hashable], tuple[list[int], list[ItemT]]] = {}
    for name, item in named:
        found = _INDEX.search(name)
        head, tail = (name[: found.start()], name[found.end() :]) if found else (name, "")
        indices, items = rows.setdefault((head, tail, alike(item)), ([], []))
        indices += [int(found[0])] if found else []
        items.append(item)
    return [(f"{head}{ranges(indices)}{tail}", items) for (head, tail, _), (indices, items) in rows.items()]
