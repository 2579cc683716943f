"""What of a probe's figures is a fault: stores that do not learn, and features that do nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ...compiler.plan import FROZEN, UNASSIGNED, PlannedStore
from ...compiler.source.wording import few
from .records import Effect, Finding, Level, Probe
from .removals import WITHOUT_STORES

_LEVELS = ("error", "expected", "note")
_INERT = "LS523"
"""The diagnostic that says so of a plan, which a spec of a published fault expects."""


def judge(probe: Probe) -> tuple[Finding, ...]:
    """All findings: errors, expected ones, notes; of each those of stores in plan order, then those of features."""
    of_stores = (_of_store(probe, store) for store in probe.plan.stores if store.group != FROZEN)
    found = [finding for finding in of_stores if finding is not None]
    return tuple(sorted((*found, *_of_effects(probe)), key=lambda finding: _LEVELS.index(finding.level)))


def _of_store(probe: Probe, store: PlannedStore) -> Finding | None:
    """A store of a spec that could be planned has no optimizer, or no mode, only where the spec expects that."""
    if store.group == UNASSIGNED:
        return Finding("no_gradient", store.name, "never trained: it is in no optimizer", "expected")
    modes = ", ".join(probe.modes)
    if not any(probe.reached(store, mode) for mode in probe.modes):
        planned = any(mode in store.gradient_modes for mode in probe.modes)
        message = f"no gradient arrives in mode {modes}" + ("" if planned else ", as the plan says")
        return Finding("no_gradient", store.name, message, "error" if planned else "expected")
    if all(step.stores[store.name].update == 0.0 for step in probe.steps):
        return Finding("no_update", store.name, f"its gradient moves it nowhere in mode {modes}: the update is 0")
    quiet = (mode for mode in probe.modes if mode in store.gradient_modes and not probe.reached(store, mode))
    silent = [mode for mode in quiet if not probe.final[mode].get(store.name)]
    if silent:
        message = f"mode {', '.join(silent)} runs it, and gives it a gradient of exactly 0; another mode trains it"
        return Finding("no_gradient", store.name, message, "note")
    return None


def _of_effects(probe: Probe) -> Iterator[Finding]:
    untrained = {store.name for store in probe.plan.stores if not store.trainable}
    expects = _INERT in probe.plan.spec.plain["expect"]
    for effect in probe.effects:
        if not effect.inert:
            continue
        same = f"without it mode {effect.mode} gives the same logits, before and after the steps"
        learning = _learning(probe, effect)
        if learning:
            message = f"acts too little to show in float32: {same}, and a gradient reaches {few(learning)}"
            yield Finding("no_effect", effect.name, message, "note")
            continue
        blamed = [name for name in effect.stores if name in untrained]
        level: Level = "expected" if expects and blamed else "error"
        why = f"; never trained: {few(blamed)}" if blamed else ""
        yield Finding("no_effect", effect.name, f"has no effect: {same}{why}", level)


def _learning(probe: Probe, effect: Effect) -> list[str]:
    """Stores that only the feature reads, and that a gradient reached: with it switched off for good, none would."""
    own = set() if effect.feature in WITHOUT_STORES else set(effect.stores)
    stores = (store for store in probe.plan.stores if store.name in own)
    return [store.name for store in stores if any(probe.reached(store, mode) for mode in probe.modes)]
