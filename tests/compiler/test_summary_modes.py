"""The plan's text of modes, graphs and features."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.small_specs import group, plan_of, small

from loopspec.compiler.plan import Plan
from loopspec.compiler.summary_modes import _ranges, feature_lines, graph_lines, mode_lines

PARALLEL = {"kind": "parallel", "combine": {"kind": "mean"}}


def planned(**changes: Any) -> Plan:
    trunk = {"stage": "trunk", "blocks": "core", "loops": 3, "loop_vector": {}, **changes}
    cadence = [{"pattern": ["full", "single"]}]
    return plan_of(small(graph=[trunk, {"stage": "tail", "blocks": "core"}], cadence=cadence))


def test_a_row_for_each_mode_with_positions_and_depth() -> None:
    cells = {line.split()[0]: line.split()[1:3] for line in mode_lines(planned(firing=PARALLEL))[2:4]}
    assert cells == {"full": ["8", "4"], "single": ["4", "4"]}
    cells = {line.split()[0]: line.split()[1:3] for line in mode_lines(planned())[2:4]}
    assert cells == {"full": ["8", "8"], "single": ["4", "4"]}


def test_costs_are_the_plans() -> None:
    plan = planned()
    cost = plan.modes["full"].cost
    row = next(line for line in mode_lines(plan) if line.strip().startswith("full"))
    assert f"{cost.forward_flops_per_token / 1e6:,.1f} M" in row
    assert f"{cost.activation_bytes_per_token / 1024:,.0f} KiB" in row
    assert "  micro-batch: the same for 16 tokens" in mode_lines(plan)


def test_modes_with_losses_of_training_are_named_where_not_all_have_them() -> None:
    auxiliary = {"kind": "fixed", "weights": [0.1, 0.2]}
    plan = planned(auxiliary_loss=auxiliary)
    assert not plan.modes["single"].training_sites  # which has no loop but the last
    assert mode_lines(plan)[-1] == "  training has further losses in mode full; backward counts them"
    everywhere = plan_of(small(model={"vocab_size": 11, "dim": 16, "multi_token": {"heads": 1}}))
    assert mode_lines(everywhere)[-1] == "  training has further losses; backward counts them"
    assert "further losses" not in "\n".join(mode_lines(planned()))


def test_graphs_are_listed_with_their_shapes() -> None:
    lines = [line.split() for line in graph_lines(planned())]
    assert lines[1] == ["mode", "entry", "sequences", "x", "tokens"]
    assert [line[:2] for line in lines[2:]] == [["full", "training"], ["single", "training"], ["full", "logits"]]
    assert lines[2][2:] == ["2", "x", "8"]


def test_features_name_the_positions_where_they_act() -> None:
    assert feature_lines(planned(place={"xsa": [1]})) == [
        "features, and the positions where each acts",
        "  loop_vector: 0, 2, 4",
        "  x0_mix: every position",
        "  xsa: 1, 3, 5",
    ]
    bare = small(blocks={"core": group(1, residual={"x0_mix": False})})
    assert feature_lines(plan_of(bare))[1:] == ["  none"]


@given(st.sets(st.integers(0, 30)))
def test_ranges_say_every_number_once(numbers: set[int]) -> None:
    text = _ranges(numbers)
    said: list[int] = []
    for part in filter(None, text.split(", ")):
        first, _, last = part.partition(" to ")
        said += range(int(first), int(last or first) + 1)
        assert not last or int(last) - int(first) >= 2
    assert said == sorted(numbers)
