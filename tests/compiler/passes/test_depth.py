"""Depth: block executions on the longest way through a mode."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_specs import group, plan_of, small

TAIL = {"stage": "tail", "blocks": "core", "path": [0]}


def depths(*stages: dict[str, Any], **sections: Any) -> dict[str, int]:
    plan = plan_of(small(graph=[{"blocks": "core", **stage} for stage in stages], **sections))
    return {name: mode.depth for name, mode in plan.modes.items()}


@pytest.mark.parametrize(
    ("stage", "full", "single"),
    [
        ({"loops": 3}, 7, 3),
        ({"loops": 3, "firing": {"kind": "parallel", "combine": {"kind": "mean"}}}, 3, 3),
        ({"loops": 2, "firing": {"kind": "parallel", "combine": {"kind": "ema_gate"}}}, 3, 3),
        ({"loops": 3, "firing": {"kind": "parallel", "combine": {"kind": "last"}}}, 3, 3),
        ({"path": [0, 1, 1], "loops": 2, "skips": {"kind": "unet", "scope": "path"}}, 7, 4),
        ({"loops": 2, "backpropagate_loops": 1}, 5, 3),  # what runs, whether or not a gradient comes back
        ({"loops": 2, "lanes": {"start": 0}}, 5, 3),
    ],
)
def test_parallel_firings_do_not_add(stage: dict[str, Any], full: int, single: int) -> None:
    assert depths({"stage": "trunk", **stage}, TAIL) == {"full": full, "single": single}


def test_an_inner_stage_adds_its_own_depth_in_every_loop() -> None:
    outer = {"stage": "outer", "loops": 2}
    inner = {"stage": "inner", "inside": "outer", "path": [0], "loops": 3}
    assert depths(outer, inner) == {"full": 10, "single": 3}
    parallel = inner | {"firing": {"kind": "parallel", "combine": {"kind": "mean"}}}
    assert depths(outer, parallel) == {"full": 6, "single": 3}


def test_further_losses_do_not_add_and_extra_cycles_do() -> None:
    auxiliary = {"stage": "trunk", "loops": 2, "auxiliary_loss": {"kind": "fixed", "weights": [0.5]}}
    extra = {"deep": {"trunk": {"extra": {"times": 3, "blocks": [1]}}}}
    assert depths(auxiliary, modes=extra) == {"full": 4, "single": 2, "deep": 7}


def test_parallel_branches_of_a_block_are_one_execution() -> None:
    blocks = {"core": group(2, residual={"arrangement": {"kind": "parallel"}})}
    assert depths({"stage": "trunk"}, blocks=blocks) == {"full": 2}
