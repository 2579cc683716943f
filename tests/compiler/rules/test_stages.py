"""Combinations of stage features that work, and those that fail without a golden of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from loopspec.compiler.check import check_spec, load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan

TINY = Path(__file__).parents[2] / "err" / "parents" / "tiny.yaml"
PARALLEL = "firing: {kind: parallel, combine: {kind: %s}}"


def stage(text: str) -> str:
    return f"graph=[{{stage: trunk, blocks: core, {text}}}]"


def mode(text: str) -> list[str]:
    return [f"modes={{other: {{trunk: {text}}}}}", "activities.evaluate=other", "cadence=[{pattern: [full, other]}]"]


def codes(*sets: str) -> list[str]:
    return [item.code for item in check_spec(TINY, list(sets)).diagnostics]


def runs(plan: Plan) -> None:
    tokens = torch.arange(16)[None]
    module = build_module(plan, 0).train()
    for name in plan.modes:
        assert torch.isfinite(module(tokens, tokens, mode=name)).all(), name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("loops: 2, value_residual: {}, " + PARALLEL % "last", ["LS518", "LS123", "LS127"]),
        ("loops: 2, position_vector: {}, " + PARALLEL % "last", ["LS518", "LS123"]),
        ("loops: 2, position_vector: {at: {loops: [1]}}, " + PARALLEL % "last", ["LS518"]),
        ("loops: 3, loop_vector: {}, private: {mlp: {loops: [0]}}, " + PARALLEL % "last", ["LS116", "LS518"]),
        ("path: {cycle: 4}, value_residual: {at: {positions: [0], loops: [0]}}", ["LS540"]),
        ("loops: 2, value_residual: {at: {positions: [0]}}", []),
        ("loops: 3, auxiliary_loss: {kind: fixed, weights: [0, 0]}", ["LS540"]),
        ("loops: 2, place: {xsa: {loops: [0]}}, " + PARALLEL % "mean", []),
        ("path: {cycle: 4}, drop: {attention: [2]}, place: {xsa: [1, 2]}", ["LS126"]),
        ("path: {cycle: 4}, drop: {attention: [2]}, private: {gain: [2]}", ["LS126"]),
        ("path: {cycle: 4}, drop: {attention: [2]}, private: {mlp: [2]}", []),
        ("path: {cycle: 4}, lanes: {start: 2}, refire: {mlp: [2]}", ["LS125"]),
        ("path: {cycle: 4}, lanes: {start: 2}, skips: {kind: unet}, refire: {mlp: [1]}", []),
        ("path: {cycle: 33}, position_vector: {init: {kind: orthogonal}}", ["LS115"]),
    ],
)
def test_a_stage(text: str, found: list[str]) -> None:
    checked = check_spec(TINY, [stage(text)])
    assert [item.code for item in checked.diagnostics] == found
    if checked.ok:
        assert checked.plan is not None
        runs(checked.plan)


@pytest.mark.parametrize(
    ("text", "change", "found"),
    [
        ("loops: 2, position_vector: {}", "{loops: 3}", ["LS205"]),
        ("loops: 2, position_vector: {at: {loops: [0, 1]}}", "{loops: 3}", []),
        ("loops: 2, skips: {kind: unet}", "{loops: 3, without: [skips]}", []),
        ("loops: 2, lanes: {start: 1}", "{loops: 3}", ["LS205"]),
        ("loops: 2, private: {mlp: all}", "{loops: 3}", []),
        ("loops: 2, lanes: {start: 1}", "{extra: {times: 2, positions: [0, 1]}}", []),
        ("loops: 2, lanes: {start: 1}", "{extra: {times: 2, positions: [1, 0]}}", ["LS217"]),
        ("loops: 2, lanes: {start: 1}", "{path: [1, 0]}", ["LS217"]),
        ("loops: 2, between: {kind: rms_norm}", "{loops: 1, without: [between]}", ["LS219"]),
        ("path: {cycle: 4}", "{path: [0, 1, 0, 1]}", ["LS206"]),
    ],
)
def test_a_mode(text: str, change: str, found: list[str]) -> None:
    checked = check_spec(TINY, [stage(text), *mode(change)])
    assert [item.code for item in checked.diagnostics] == found
    if checked.ok:
        assert checked.plan is not None
        runs(checked.plan)


@pytest.mark.parametrize("feature", ["auxiliary_loss: {kind: fixed, weights: [0.5]}", "backpropagate_loops: 1"])
@pytest.mark.parametrize(("pattern", "found"), [("full", []), ("single, full", []), ("single", ["LS540"])])
def test_what_acts_on_loops_in_training_needs_a_trained_mode_that_has_them(
    feature: str, pattern: str, found: list[str]
) -> None:
    found_codes = codes(stage(f"loops: 2, {feature}"), f"cadence=[{{pattern: [{pattern}]}}]")
    assert [code for code in found_codes if code != "LS211"] == found


@pytest.mark.parametrize("loops", [1, 3])
def test_stages_inside_each_other_are_refused_whatever_modes_say(loops: int) -> None:
    graph = (
        "graph=[{stage: trunk, blocks: core, loops: 2}, {stage: one, blocks: core, inside: two, skips: {kind: unet}}, "
        "{stage: two, blocks: core, inside: one, skips: {kind: unet}}]"
    )
    assert "LS122" in codes(graph, *mode(f"{{loops: {loops}}}"))


def test_changes_of_a_stage_that_is_never_entered_make_no_other_mode() -> None:
    graph = (
        "graph=[{stage: trunk, blocks: core, skips: {kind: unet}}, {stage: after, blocks: core}, "
        "{stage: inner, blocks: core, inside: trunk, loops: 2}]"
    )
    left_out = "one: {trunk: {loops: 0}}, two: {trunk: {loops: 0}, inner: {loops: 1}}"
    checked = check_spec(TINY, [graph, f"modes={{{left_out}}}", "cadence=[{pattern: [full, one, two]}]"])
    assert [item.code for item in checked.diagnostics] == ["LS206"]


def test_positions_that_run_again_are_as_they_are_in_the_last_loop() -> None:
    plan = load_plan(
        TINY, [stage("loops: 2, private: {mlp: {loops: [1]}}"), *mode("{extra: {times: 1, positions: [1]}}")]
    )
    (again,) = [position for position in plan.positions if position.index >= 4]
    assert (again.block, again.loop, again.features) == ("core.1", 1, ("x0_mix", "own_mlp"))


def test_a_mode_without_the_value_embedding_does_not_look_it_up() -> None:
    sets = ["model.value_embedding={dim: 8}", "blocks.core.value_embedding=true", stage("loops: 2")]
    plan = load_plan(TINY, [*sets, *mode("{without: [value_embedding]}")])
    assert "input/value_embedding" in plan.modes["full"].sites
    assert "input/value_embedding" not in plan.modes["other"].sites
    runs(plan)


def test_a_bounded_block_has_no_other_weights() -> None:
    residual = "blocks.core.residual={arrangement: {kind: bounded}, token_gate: true}"
    assert codes(residual) == ["LS509"] * 3
    assert codes("blocks.core.residual={arrangement: {kind: bounded}, x0_mix: false, branch_scale: false}") == []


def test_one_firing_of_last_runs_with_shared_parts() -> None:
    sets = [
        stage("loops: 2, loop_vector: {}, private: {mlp: all}, " + PARALLEL % "last"),
        "cadence=[{pattern: [full, single]}]",
    ]
    plan = load_plan(TINY, ["expect=[LS518]", *sets])
    assert {store.name for store in plan.stores if ".mlp.up" in store.name} == {
        "blocks.core.0.mlp.up",
        "blocks.core.1.mlp.up",
    }


def test_an_inner_stage_has_parts_for_each_entry(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(
        f"""
extends: {TINY}
blocks: {{bank: {{count: 1, attention: {{heads: 4, kv_heads: 2}}, mlp: {{ratio: 2}}}}}}
graph:
  - {{stage: trunk, blocks: core, loops: 2, skips: {{kind: unet}}}}
  - {{stage: bank, blocks: bank, inside: trunk, loops: 2, value_residual: {{}}, position_vector: {{}}}}
"""
    )
    plan = load_plan(tmp_path / "spec.yaml")
    vectors = [store.name for store in plan.stores if "position_vector" in store.name]
    assert vectors == [f"stages.bank.position_vector.{number}" for number in range(4)]
    residuals = [store.name for store in plan.stores if "value_residual" in store.name]
    assert residuals == ["stages.bank.value_residual.1", "stages.bank.value_residual.3"]
    runs(plan)


def test_a_graph_beyond_the_bounds_is_not_unrolled() -> None:
    inner = ", ".join(
        f"{{stage: s{number}, blocks: core, loops: 256, skips: {{kind: unet}}, inside: s{number - 1}}}"
        for number in range(1, 20)
    )
    assert codes(f"graph=[{{stage: s0, blocks: core, loops: 256, skips: {{kind: unet}}}}, {inner}]") == ["LS113"]
    assert codes(stage("loops: 2"), *mode("{loops: 256, path: {cycle: 4096}}")) == ["LS113"]


def test_multi_token_heads_that_count_nothing() -> None:
    assert codes("model.multi_token={heads: 2, weight: 0}") == ["LS540"]
