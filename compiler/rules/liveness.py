"""Stores that nothing reads or trains (LS504 to LS506), and those that stay at zeros that switch them off (LS523)."""

from __future__ import annotations

from ..graph.model import Store
from ..passes.draft import Draft
from ..plan import FROZEN, UNASSIGNED
from ..source.wording import few
from ..spec.phase_steps import trained_modes
from .findings import Findings, YamlPath
from .optimizer import assignment_place


def check_liveness(findings: Findings, draft: Draft) -> None:
    """Every store is read by some site in some mode that training runs; a frozen one may be read elsewhere only."""
    assert draft.graph is not None
    trained = set(trained_modes(draft.spec))
    reported: set[YamlPath] = set()
    detached: dict[YamlPath, list[str]] = {}
    replaced = _replaced_parts(draft)
    learning = {_block_name(name) for name, use in draft.uses.items() if set(use.modes) & trained}
    for store in draft.graph.stores:
        use = draft.uses[store.name]
        if store.name in replaced:
            continue
        if use.modes and draft.groups[store.name] == FROZEN:
            continue
        if set(use.modes) & trained:
            if not set(use.gradient_modes) & trained and draft.groups[store.name] != UNASSIGNED:
                detached.setdefault(store.origin, []).append(store.name)
            continue
        if not use.modes and store.origin[:2] == ("model", "value_embedding"):
            continue  # LS501 says it
        place = _place(store.name, store.origin)
        if place in reported:
            continue
        reported.add(place)
        whole = store.name.startswith("blocks.") and _block_name(store.name) not in learning
        _report(findings, place, _block_name(store.name) if whole else store.name, use.modes, trained)
    _report_replaced(findings, draft, replaced)
    for origin, names in detached.items():
        findings.error(
            "LS506",
            origin,
            f"no gradient reaches {few(names)} in any step of training",
            "let gradients through, or assign what is meant to stay as it starts to: frozen",
            key=True,
        )


def _replaced_parts(draft: Draft) -> frozenset[str]:
    """Unread parts of blocks that do run: every execution has a part of its own instead."""
    assert draft.graph is not None
    stores = [store.name for store in draft.graph.stores if store.name.startswith("blocks.")]
    running = {_block_name(name) for name in stores if draft.uses[name].modes}
    return frozenset(name for name in stores if not draft.uses[name].modes and _block_name(name) in running)


def _report_replaced(findings: Findings, draft: Draft, replaced: frozenset[str]) -> None:
    """One report for each place that keeps the parts from being read."""
    assert draft.graph is not None
    places: dict[tuple[YamlPath, bool], list[str]] = {}
    for store in draft.graph.stores:
        if store.name in replaced:
            place = _replacing(findings, store)
            places.setdefault((place or store.origin, place is not None), []).append(store.name)
    for (place, own), names in places.items():
        plural = len(names) > 1
        reason = f"every position has {'parts' if plural else 'a part'} of its own" if own else "no position uses it"
        hint = "remove keep_shared, or let some position share the block's"
        findings.error(
            "LS504",
            place,
            f"{few(sorted(names))} {'are' if plural else 'is'} stored and never read: {reason}",
            hint if own else "let some position run it, or store less",
            key=True,
        )


def _replacing(findings: Findings, store: Store) -> YamlPath | None:
    """The `private` section of the first stage that replaces the part of a block, None where no stage does."""
    _, group, _, part, *rest = store.name.split(".")
    for index, stage in enumerate(findings.stages()):
        if stage["blocks"] == group and {part, *rest} & set(stage["private"]):
            return ("graph", index, "private")
    return None


def _block_name(store: str) -> str:
    """`blocks.core.3` of `blocks.core.3.attention.query`."""
    return ".".join(store.split(".")[:3])


def _report(findings: Findings, place: YamlPath, owner: str, modes: tuple[str, ...], trained: set[str]) -> None:
    if not modes:
        findings.error("LS504", place, f"{owner} is stored and never runs", "let a stage's path run it, or store less")
        return
    findings.error(
        "LS505",
        place,
        f"{owner} runs in mode {', '.join(modes)} only, training runs {', '.join(sorted(trained))} only: "
        "it never learns",
        f"put {modes[0]} into the cadence, or drop what only {modes[0]} uses",
    )


def _place(name: str, origin: YamlPath) -> YamlPath:
    """One report for each block (at the group's count) or declaration."""
    return ("blocks", name.split(".")[1], "count") if name.startswith("blocks.") else origin


def check_inert(findings: Findings, draft: Draft) -> None:
    """What no optimizer trains does not start at a zero that switches it off for ever."""
    assert draft.graph is not None
    places: dict[YamlPath, list[str]] = {}
    for store in draft.graph.stores:
        if draft.groups[store.name] in (FROZEN, UNASSIGNED) and draft.uses[store.name].modes and starts_inert(store):
            places.setdefault(assignment_place(findings, draft, store), []).append(store.name)
    for place, names in places.items():
        plural = len(names) > 1
        findings.error(
            "LS523",
            place,
            f"{few(names)} {'are' if plural else 'is'} never trained and start{'' if plural else 's'} at zero: "
            f"{'they have' if plural else 'it has'} no effect",
            "let an optimizer train it, or start it at another value",
            key=True,
        )


def starts_inert(store: Store) -> bool:
    """Whether the store starts at zeros that make what it multiplies or adds a no-op."""
    init = store.init
    zero = (
        init.kind == "zero"
        or (init.kind == "constant" and init.value == 0)
        or (init.kind == "normal" and init.std == 0)
    )
    return zero and not store.acts_at_zero
