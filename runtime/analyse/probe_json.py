"""A probe as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...compiler.plan import PlannedStore
from .records import Effect, Probe


def probe_json(probe: Probe) -> dict[str, Any]:
    """The whole probe.

    `ok` (bool); `spec` (name); `settings` {steps, sequence_length, batch, seed, data}; `tokens` (what they were);
    `modes` [{name, trained, depth, sites, positions, loss_first, loss_last}], losses null for a mode that training
    does not run; `stores` [{name, group, elements, steps: {mode: [{gradient, update}]}, final: {mode: gradient}}],
    norms by step, a gradient null where none arrived, both empty for a store that no optimizer trains;
    `shared` [{store, mode, sites, silent, mean, lowest}], cosines; `features` [{feature, stage, mode, positions,
    stores, start, end}] with {logits, loss} each; `findings` [{kind, subject, message, level}], `kind` one of
    no_gradient, no_update, no_effect, `level` one of error, expected, note.
    """
    return {
        "ok": probe.ok,
        "spec": probe.plan.spec.name,
        "settings": asdict(probe.settings),
        "tokens": probe.data,
        "modes": [_mode(probe, name) for name in probe.plan.modes],
        "stores": [_store(probe, store) for store in probe.plan.stores],
        "shared": [asdict(item) for item in probe.agreements],
        "features": [_feature(effect) for effect in probe.effects],
        "not_removed": list(probe.not_removed),
        "findings": [asdict(finding) for finding in probe.findings],
    }


def _mode(probe: Probe, name: str) -> dict[str, Any]:
    mode, steps = probe.plan.modes[name], probe.steps_of(name)
    return {
        "name": name,
        "trained": bool(steps),
        "depth": mode.depth,
        "sites": len(mode.training_sites or mode.sites),
        "positions": list(mode.positions),
        "loss_first": steps[0].loss if steps else None,
        "loss_last": steps[-1].loss if steps else None,
    }


def _store(probe: Probe, store: PlannedStore) -> dict[str, Any]:
    modes = probe.modes if store.trainable else ()
    return {
        "name": store.name,
        "group": store.group,
        "elements": store.elements,
        "steps": {mode: [asdict(step.stores[store.name]) for step in probe.steps_of(mode)] for mode in modes},
        "final": {mode: probe.final[mode].get(store.name) for mode in modes},
    }


def _feature(effect: Effect) -> dict[str, Any]:
    value = asdict(effect)
    return value | {"positions": list(effect.positions), "stores": list(effect.stores)}
