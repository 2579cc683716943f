"""The plan and its budget as JSON-able data, for `--format json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .graphs import compiled_graphs
from .plan import Plan, PlannedStore, Position, SizeEstimate
from .spec.cadence import Sample
from .spec.phase_steps import PhaseSteps, phase_steps, steps_by_mode


def budget_json(size: SizeEstimate) -> dict[str, int]:
    """`limit_bytes`, `predicted_bytes`, `low_bytes`, `high_bytes`, `code_bytes`."""
    return asdict(size)


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan; `modes` lists for each mode the indices of the `sites` (block executions) that run, in order.

    `scheme` is null for stores that only training reads: they are not in the artifact.
    """
    return {
        "spec": plan.spec.name,
        "parameters": plan.parameters,
        "training_only_parameters": plan.training_only_parameters,
        "effective_parameters": plan.effective_parameters,
        "stores": [_store(store) for store in plan.stores],
        "states": [
            {"name": state.name, "shape": list(state.shape), "dtype": state.dtype, "exported": state.exported}
            for state in plan.states
        ],
        "modes": {name: list(mode.positions) for name, mode in plan.modes.items()},
        "depths": {name: mode.depth for name, mode in plan.modes.items()},
        "costs": {name: asdict(mode.cost) for name, mode in plan.modes.items()},
        "graphs": [asdict(graph) | {"shape": list(graph.shape)} for graph in compiled_graphs(plan)],
        "sites": [_position(position) for position in plan.positions],
        "cadence": [_phase(planned) for planned in phase_steps(plan.spec.cadence, plan.spec.train)],
        "steps_by_mode": steps_by_mode(plan.spec),
        "activities": dict(plan.spec.activities),
        "budget": budget_json(plan.size),
    }


def _store(store: PlannedStore) -> dict[str, Any]:
    return {
        "name": store.name,
        "shape": list(store.shape),
        "elements": store.elements,
        "dtype": store.dtype,
        "group": store.group,
        "scheme": str(store.scheme) if store.exported else None,
        "modes": list(store.modes),
        "gradient_modes": list(store.gradient_modes),
        "uses": store.sites,
    }


def _position(position: Position) -> dict[str, Any]:
    return {
        "index": position.index,
        "stage": position.stage,
        "loop": position.loop,
        "block": position.block,
        "occurrence": position.occurrence,
        "features": list(position.features),
    }


def _phase(planned: PhaseSteps) -> dict[str, Any]:
    """`first_step` is null where the training clock decides on it; one of `pattern` and `sample` is null."""
    phase = planned.phase
    return {
        "first_step": planned.first,
        "until": None if phase.until is None else {phase.until.kind: phase.until.value},
        "pattern": list(phase.pattern) or None,
        "sample": None if phase.sample is None else _sample(phase.sample),
    }


def _sample(sample: Sample) -> dict[str, Any]:
    """`modes` are those that a step may draw, with the loops of the stage in each."""
    return {
        "stage": sample.stage,
        "distribution": sample.distribution,
        "mean": sample.mean,
        "modes": sample.modes,
    }
