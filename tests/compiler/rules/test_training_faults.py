"""The published training failures, as specs: found, or expected and then planned as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.small_specs import group, plan_of, small

from loopspec.compiler.check import SpecError, check_spec, load_plan
from loopspec.compiler.rules.liveness import starts_inert
from loopspec.compiler.spec.init import Init
from loopspec.compiler.summary import plan_text

TINY = Path(__file__).parents[2] / "err" / "parents" / "tiny.yaml"
FROZEN_OUTPUTS = "train.assign=[{match: {name: '*.attention.output'}, to: frozen}, {to: declared}]"
LOOP_VECTOR = "graph=[{stage: trunk, blocks: core, loops: 2, loop_vector: {init: {kind: normal, std: 0.1}}}]"
SINGLE_ONLY = ["cadence=[{pattern: [single]}]", LOOP_VECTOR]


def codes(*sets: str) -> list[str]:
    return [item.code for item in check_spec(TINY, list(sets)).diagnostics]


def test_an_expected_ls520_is_planned_with_the_stores_in_no_group() -> None:
    sets = ["train.assign=[{match: {ndim: 2}, to: declared}]"]
    assert codes(*sets) == ["LS520"]
    plan = load_plan(TINY, ["expect=[LS520]", *sets])
    assert {store.group for store in plan.stores if len(store.shape) == 1} == {"none"}
    assert "none, untrained in float32, stored as float16" in plan_text(plan)


@pytest.mark.parametrize(
    ("init", "found"),
    [
        ("{kind: zero}", ["LS523"]),
        ("{kind: constant, value: 0}", ["LS523"]),
        ("{kind: constant, value: 0.5}", []),
        ("{kind: normal, std: 0.1}", []),
    ],
)
def test_a_frozen_zero_is_inert(init: str, found: list[str]) -> None:
    rules = "quantization.rules=[{scheme: {kind: float16}}]"
    assert codes(f"blocks.core.init.outputs={init}", FROZEN_OUTPUTS, rules) == found


def test_a_frozen_zero_gate_is_half_open_and_not_inert() -> None:
    gate = "model.input=[{kind: smear_gate}]"
    assert codes(gate, "train.assign=[{match: {name: smear_gate.gate}, to: frozen}, {to: declared}]") == []


def rich() -> dict[str, Any]:
    """A spec with stores of many roles."""
    residual = {"token_gate": True, "arrangement": {"kind": "sequential"}}
    return small(
        model={"vocab_size": 11, "dim": 16, "input": [{"kind": "smear_gate"}]},
        blocks={
            "gated": group(2, mlp={"activation": "swiglu", "ratio": 2}, residual=residual),
            "last": group(1, attention={"heads": 2, "kv_heads": 1, "differential": True}),
        },
        graph=[
            {
                "stage": "gate",
                "blocks": "gated",
                "loops": 2,
                "loop_vector": {},
                "skips": {"kind": "unet", "gated": True},
                "private": {"gain": {"loops": [1]}, "mlp_scale": {"loops": [1]}},
                "delta": {"rank": 2, "matrices": ["attention.query"]},
                "auxiliary_loss": {"kind": "learned"},
            },
            {
                "stage": "trunk",
                "blocks": "last",
                "loops": 2,
                "loop_vector": {},
                "firing": {"kind": "parallel", "combine": {"kind": "reference_gate"}},
            },
        ],
    )


@pytest.mark.parametrize(
    ("name", "inert"),
    [
        ("blocks.gated.0.attention.output", True),
        ("blocks.gated.0.mlp.down", True),  # a group may be called anything
        ("blocks.gated.0.mlp.gate", True),
        ("stages.gate.loop_vector.1", True),
        ("stages.gate.attention_delta.2.query_delta_up", True),
        ("stages.gate.mlp_scale.3", True),
        ("stages.trunk.gate_scale", True),
        ("blocks.gated.0.residual_mix", True),
        ("smear_gate.gate", False),
        ("stages.trunk.gate", False),
        ("stages.trunk.reference", False),
        ("stages.gate.skip_gate.1", False),
        ("stages.gate.loss_weight", False),
        ("stages.gate.gain.3", False),
        ("blocks.gated.0.token_gate.weight", False),
        ("blocks.gated.0.attention.query", False),
        ("blocks.last.0.attention.mix", False),
    ],
)
def test_which_zeros_switch_off(name: str, inert: bool) -> None:
    stores = {store.name: store for store in plan_of(rich()).graph.stores}
    assert starts_inert(replace(stores[name], init=Init("zero"))) is inert
    assert not starts_inert(replace(stores[name], init=Init("normal", std=0.1)))


def test_a_store_that_no_gradient_reaches_may_be_frozen() -> None:
    graph = LOOP_VECTOR.replace("loops: 2", "loops: 2, backpropagate_loops: 1")
    assert codes(graph) == ["LS506"]
    frozen = "{match: {name: 'stages.trunk.loop_vector.0'}, to: frozen}"
    assert codes(graph, f"train.assign=[{frozen}, {{to: declared}}]") == []
    assert load_plan(TINY, ["expect=[LS506]", graph]).stores


def test_only_a_frozen_store_may_be_of_modes_that_are_not_trained() -> None:
    vector = "match: {name: 'stages.trunk.loop_vector.1'}"
    assert "LS505" in codes(*SINGLE_ONLY)
    assert "LS505" not in codes(*SINGLE_ONLY, f"train.assign=[{{{vector}, to: frozen}}, {{to: declared}}]")
    others = (
        "train.assign=[{match: {name: 'stages.trunk.loop_vector.0'}, to: declared}, {match: {ndim: 2}, to: declared}]"
    )
    assert {"LS505", "LS520"} <= set(codes(*SINGLE_ONLY, others))


@pytest.mark.parametrize(
    ("code", "sets"),
    [
        ("LS522", ["train.assign=[{match: {ndim: 1}, to: matrices}, {to: declared}]"]),
        ("LS525", ["train.load=ema"]),
        ("LS526", ["train.averages={swa: {kind: swa, start: {step: 10}}}", "train.load=swa"]),
        ("LS530", ["blocks.core.init.outputs={kind: orthogonal}", "train.assign=[{to: frozen}]"]),
    ],
)
def test_what_cannot_run_as_it_says_fails_though_expected(code: str, sets: list[str]) -> None:
    with pytest.raises(SpecError, match=code):
        load_plan(TINY, [f"expect=[{code}]", *sets])


def test_a_tied_head_has_an_optimizer_where_stores_are_assigned_to_it() -> None:
    head = "train.optimizer.head={kind: adamw, lr: 0.5}"
    assert codes(head) == ["LS514"]
    assert codes(head, "train.assign=[{match: {name: token_embedding.weight}, to: head}, {to: declared}]") == []


@pytest.mark.parametrize("decay", ["0.6", "0.63"])
def test_an_average_may_keep_one_percent_of_its_start(decay: str) -> None:
    """0.6^10 is 0.6%, 0.63^10 is 1.0%: just below the bound; 0.64^10 is 1.2%."""
    average = "train.averages={{ema: {{kind: ema, decay: {}, debias: false}}}}"
    assert codes(average.format(decay), "train.load=ema") == []
    assert codes(average.format("0.64"), "train.load=ema") == ["LS527"]
    assert codes(average.format("0.64").replace("false", "true"), "train.load=ema") == []
