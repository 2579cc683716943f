"""Names in the emitted source, and specs whose own names are Python's, torch's or the sublayers'."""

from __future__ import annotations

import keyword

import pytest
import torch
from support.small_specs import group, plan_of, small

import loopspec.compiler.modules as sublayers
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.emit.names import SUBLAYERS, class_name, stored_expression, value_names
from loopspec.compiler.graph.model import Port

NAMES = ("values", "x", "type", "keys", "items", "training", "h", "forward", "self", "tokens", "pop", "lambda", "x0")
TOKENS = torch.tensor([[1, 2, 3, 4]])


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("frugendorff-6x2", "Frugendorff6x2"),
        ("3x9", "Model3x9"),
        ("a.b", "AB"),
        ("a_b--c.", "ABC"),
        ("attention", "AttentionModel"),
        ("token-embedding", "TokenEmbeddingModel"),
        ("tensor", "TensorModel"),
        ("none", "NoneModel"),
        ("value-error", "ValueErrorModel"),
    ],
)
def test_class_names(spec: str, name: str) -> None:
    assert class_name(spec) == name
    assert name.isidentifier() and not keyword.iskeyword(name)
    module = build_module(plan_of(small(name=spec)), seed=0)
    assert type(module).__name__ == name
    assert module(TOKENS).shape == (1, 4, 11)
    with pytest.raises(ValueError, match="mode 'other' is not one of"):
        module(TOKENS, mode="other")


def test_every_sublayer_class_is_kept_from_spec_names() -> None:
    assert {name for name in sublayers.__all__ if name[0].isupper()} == set(SUBLAYERS)


@pytest.mark.parametrize("mode", ["parameters", "modules", "buffers", "apply", "call_impl", "init", "forward"])
def test_a_mode_may_have_a_name_of_torch(mode: str) -> None:
    plain = small(
        graph=[{"stage": "trunk", "blocks": "core", "loops": 3}],
        modes={mode: {"trunk": {"loops": 2}}},
    )
    module = build_module(plan_of(plain), seed=0).float()
    assert module(TOKENS, mode=mode).shape == (1, 4, 11)
    assert len(list(module.parameters())) == len(module.state_dict())


def test_groups_and_stages_may_have_names_of_python_and_torch() -> None:
    model = {"vocab_size": 11, "dim": 16, "value_embedding": {"dim": 4}}
    plain = small(
        model=model,
        blocks={name: group(2) for name in NAMES},
        graph=[
            {
                "stage": name,
                "blocks": name,
                "loops": 2,
                "loop_vector": {},
                "skips": {"kind": "unet"},
                "place": {"value_embedding": [1]},
            }
            for name in NAMES
        ],
    )
    plan = plan_of(plain)
    module = build_module(plan, seed=0)
    assert list(module.state_dict()) == [store.name for store in plan.stores]
    for mode in plan.modes:
        module(TOKENS, TOKENS, mode=mode).backward()
        trained = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
        assert trained == {store.name for store in plan.stores if mode in store.modes}
        module.zero_grad(set_to_none=True)
    assert not any(part.training for part in module.eval().modules())
    assert all(part.training for part in module.train().modules())


@pytest.mark.parametrize(
    ("path", "expression"),
    [
        ("blocks.core.3.attention", "core_blocks[3].attention"),
        ("blocks.core.3.attention.query", "core_blocks[3].attention.query"),
        ("blocks.core.0.mlp_scale", "core_blocks[0].mlp_scale"),
        ("stages.trunk.skip_weight.4", "trunk_stage.skip_weight[4]"),
        ("token_embedding.weight", "self.token_embedding.weight"),
    ],
)
def test_expressions(path: str, expression: str) -> None:
    assert stored_expression(path) == expression


@pytest.mark.parametrize("last", ["embedding", "rms_norm", "smear_gate"])
def test_what_the_input_side_ends_with_is_x0(last: str) -> None:
    layers = [] if last == "embedding" else [{"kind": "smear_gate"}, {"kind": "rms_norm"}, {"kind": last}]
    plan = plan_of(small(model={"vocab_size": 11, "dim": 16, "input": layers}))
    named = [
        port.site for port, name in value_names(plan.graph, plan.modes["full"].sites, "full").items() if name == "x0"
    ]
    assert len(named) == 1
    assert plan.graph.inputs("trunk/core.1#0/residual_mix", "full")["x0"].site == named[0]


def test_a_value_that_outlives_others_has_a_name_of_its_own() -> None:
    plain = small(
        model={"vocab_size": 11, "dim": 16, "input": []},
        blocks={"core": group(4)},
        graph=[{"stage": "trunk", "blocks": "core", "skips": {"kind": "unet"}}],
    )
    plan = plan_of(plain)
    names = {port.site: name for port, name in value_names(plan.graph, plan.modes["full"].sites, "full").items()}
    assert names["input/embedding"] == "x0"
    assert names["trunk/core.0#0/mlp_add"] == "x_after_0"  # goes to position 3
    assert names["trunk/core.1#0/mlp_add"] == "x"  # goes to position 2, whose skip is the next to run
    assert names["trunk/core.2#0/mlp_add"] == "x"
    assert names["trunk/core.2#0/attention"] == "h"


def _names(graph: list[dict[str, object]], mode: str = "full", **sections: object) -> dict[str, str]:
    plan = plan_of(small(graph=graph, **sections))
    return {port.site: name for port, name in value_names(plan.graph, plan.modes[mode].sites, mode).items()}


def test_a_value_of_a_stage_is_named_by_the_place_in_it() -> None:
    bounded = {"core": group(1, residual={"arrangement": {"kind": "bounded"}, "x0_mix": False, "branch_scale": False})}
    trunk = {"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}}
    names = _names([trunk], blocks=bounded)
    assert names["trunk/loop.1/vector"] == "x_trunk_loop_1"  # the stream without branches is read at the block's end
    assert names["trunk/core.0#0/attention"] == "h_0"
    inner = {
        "stage": "input",
        "blocks": "core",
        "inside": "trunk",
        "firing": {"kind": "parallel", "combine": {"kind": "mean"}},
    }
    nested = [{"stage": "trunk", "blocks": "core", "loops": 2}, inner | {"loops": 2}]
    found = _names(nested, blocks=bounded)
    assert found["input/combine/mean"] == "x_input_combine"
    assert found["input.1/combine/mean"] == "x_input_1_combine"
    assert list(found.values()).count("x0") == 1


def test_values_and_output_of_one_attention_live_apart() -> None:
    stage = {"stage": "trunk", "blocks": "core", "path": [0, 1, 0], "value_residual": {"at": [2]}}
    plan = plan_of(small(graph=[stage, {**stage, "stage": "more"}]))
    names = value_names(plan.graph, plan.modes["full"].sites, "full")
    assert names[Port("trunk/core.0#0/attention")] == "h"
    assert names[Port("trunk/core.0#0/attention", "values")] == "first_values"
    assert names[Port("more/core.0#0/attention", "values")] == "first_values_2"
