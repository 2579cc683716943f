"""The plan and its budget as JSON-able data, for `--format json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .plan import Plan, SizeEstimate


def budget_json(size: SizeEstimate) -> dict[str, int]:
    """`limit_bytes`, `predicted_bytes`, `low_bytes`, `high_bytes`, `code_bytes`."""
    return asdict(size)


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan; `modes` lists for each mode the indices of the `sites` (block executions) that run, in order."""
    return {
        "spec": plan.spec.name,
        "parameters": plan.parameters,
        "effective_parameters": plan.effective_parameters,
        "stores": [
            {
                "name": store.name,
                "shape": list(store.shape),
                "elements": store.elements,
                "dtype": store.dtype,
                "group": store.group,
                "scheme": str(store.scheme),
                "modes": list(store.modes),
                "uses": store.sites,
            }
            for store in plan.stores
        ],
        "modes": {name: list(mode.positions) for name, mode in plan.modes.items()},
        "costs": {name: asdict(mode.cost) for name, mode in plan.modes.items()},
        "sites": [
            {
                "index": position.index,
                "stage": position.stage,
                "loop": position.loop,
                "block": position.block,
                "occurrence": position.occurrence,
                "features": list(position.features),
            }
            for position in plan.positions
        ],
        "cadence": [{"pattern": list(phase.pattern), "until": phase.until} for phase in plan.spec.cadence],
        "activities": dict(plan.spec.activities),
        "budget": budget_json(plan.size),
    }
