"""What acts at each position, read off the graph."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_specs import group, plan_of, small

MODEL = {"vocab_size": 11, "dim": 16, "value_embedding": {"dim": 4}}
PLAIN = {"x0_mix": False, "branch_scale": False}


def features(stage: dict[str, Any], residual: dict[str, Any] | None = None, **sections: Any) -> list[tuple[str, ...]]:
    blocks = {"core": group(2, residual=PLAIN | (residual or {}), **sections.pop("block", {}))}
    plan = plan_of(small(blocks=blocks, graph=[{"stage": "trunk", "blocks": "core", **stage}], **sections))
    return [position.features for position in plan.positions]


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ({}, [(), ()]),
        ({"loops": 2, "loop_vector": {}}, [("loop_vector",), (), ("loop_vector",), ()]),
        ({"skips": {"kind": "unet"}}, [(), ("skip",)]),
        ({"skips": {"kind": "unet", "gated": True}}, [(), ("gated_skip",)]),
        ({"place": {"xsa": [1]}, "loops": 2}, [(), ("xsa",)] * 2),
        ({"position_vector": {"at": [0]}}, [("position_vector",), ()]),
        ({"value_residual": {"at": [1]}}, [(), ("value_residual",)]),
        ({"drop": {"attention": [0]}}, [("no_attention",), ()]),
        ({"drop": {"mlp": [1]}}, [(), ("no_mlp",)]),
        ({"refire": {"attention": [0]}}, [("attention_twice",), ()]),
        ({"refire": {"mlp": [1]}}, [(), ("mlp_twice",)]),
        ({"lanes": {"start": 1}}, [(), ("lanes",)]),
        ({"private": {"mlp": [1]}}, [(), ("own_mlp",)]),
        (
            {
                "loops": 2,
                "delta": {"rank": 2, "matrices": ["attention.key", "mlp.up"], "at": {"positions": [0], "loops": [1]}},
            },
            [(), (), ("delta_key", "delta_up"), ()],
        ),
    ],
)
def test_a_feature_of_a_stage_is_where_it_acts_and_nowhere_else(
    stage: dict[str, Any], expected: list[tuple[str, ...]]
) -> None:
    assert features(stage) == expected


@pytest.mark.parametrize(
    ("residual", "name"),
    [
        ({"x0_mix": True}, "x0_mix"),
        ({"token_gate": True}, "token_gate"),
        ({"arrangement": {"kind": "bounded"}}, "bounded"),
    ],
)
def test_a_feature_of_a_block_is_wherever_it_runs(residual: dict[str, Any], name: str) -> None:
    assert features({"path": [0, 1, 0]}, residual) == [(name,)] * 3


def test_differential_attention_and_the_value_embedding() -> None:
    attention = {"heads": 2, "kv_heads": 2, "differential": True}
    assert features({}, block={"attention": attention}) == [("differential",)] * 2
    place = {"place": {"value_embedding": [1]}}
    assert features(place, model=MODEL) == [(), ("value_embedding",)]


def test_they_come_in_the_order_in_which_they_act() -> None:
    stage = {
        "loops": 2,
        "loop_vector": {},
        "position_vector": {},
        "skips": {"kind": "unet", "scope": "path"},
        "place": {"xsa": "all", "value_embedding": "all"},
        "private": {"residual_mix": "all", "mlp": [1]},
    }
    found = features(stage, {"x0_mix": True}, model=MODEL)
    assert found[2] == (
        "loop_vector",
        "skip",
        "position_vector",
        "x0_mix",
        "own_residual_mix",
        "value_embedding",
        "xsa",
    )
    assert found[1][-1] == "own_mlp"


def test_parallel_firings_that_start_from_one_vector_each_have_it() -> None:
    firing = {"kind": "parallel", "combine": {"kind": "self_gate"}}
    assert features({"loops": 2, "loop_vector": {}, "firing": firing}) == [("loop_vector",), (), ("loop_vector",), ()]
