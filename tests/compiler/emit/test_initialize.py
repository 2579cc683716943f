"""Initial values: by name and seed alone, with the distributions that the spec asks for."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from support.small_specs import group, plan_of, small

from loopspec.compiler.emit.initialize import initial_value
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.modules import project_logits, rms_norm

WIDE = {"kind": "normal", "std": 0.5}


def starts(plain: dict[str, Any], seed: int = 1) -> dict[str, torch.Tensor]:
    plan = plan_of(plain)
    return {store.name: initial_value(store, plan, seed) for store in plan.stores}


def with_init(matrices: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return small(blocks={"core": group(2, init={"matrices": matrices, "outputs": WIDE})}, **changes)


def test_another_block_leaves_the_starts_of_the_others() -> None:
    few = starts(small(blocks={"core": group(2)}))
    many = starts(
        small(
            blocks={"first": group(1), "core": group(3)},
            model={"vocab_size": 11, "dim": 16, "input": [{"kind": "smear_gate"}]},
        )
    )
    assert set(few) < set(many)
    assert all(torch.equal(few[name], many[name]) for name in few)
    assert not torch.equal(many["blocks.core.2.mlp.up"], many["blocks.core.1.mlp.up"])


def test_a_seed_gives_its_bits_and_another_seed_others() -> None:
    first, again, other = starts(with_init(WIDE)), starts(with_init(WIDE)), starts(with_init(WIDE), seed=2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    differ = {name for name in first if not torch.equal(first[name], other[name])}
    assert differ == {name for name in first if name.rpartition(".")[2] in _RANDOM}


_RANDOM = ("weight", "query", "key", "value", "output", "up", "down")


def test_the_module_starts_from_the_initial_values_in_its_dtype() -> None:
    plain = small(model={"vocab_size": 11, "dim": 16, "embedding": {"dtype": "bfloat16"}})
    module, expected = build_module(plan_of(plain), seed=1), starts(plain)
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter, expected[name].to(parameter.dtype)), name
    assert dict(module.named_parameters())["token_embedding.weight"].dtype == torch.bfloat16


@pytest.mark.parametrize("role", ["attention.query", "attention.key", "mlp.up"])
def test_orthogonal_matrices_have_orthogonal_rows_or_columns(role: str) -> None:
    matrix = starts(with_init({"kind": "orthogonal", "gain": 0.5}))[f"blocks.core.0.{role}"]
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    torch.testing.assert_close(short @ short.T, 0.25 * torch.eye(len(short)), rtol=0, atol=1e-5)


def test_loop_vectors_of_a_stage_are_orthogonal_to_each_other() -> None:
    stage = {"blocks": "core", "loops": 4, "loop_vector": {"init": {"kind": "orthogonal", "gain": 0.5}}}
    found = starts(small(graph=[{"stage": "a", **stage}, {"stage": "b", **stage}]))
    a, b = (torch.stack([found[f"stages.{name}.loop_vector.{loop}"] for loop in range(4)]) for name in "ab")
    for vectors in (a, b):
        torch.testing.assert_close(vectors @ vectors.T, 0.25 * torch.eye(4), rtol=0, atol=1e-5)
    assert not torch.allclose(a, b)


def test_normal_loop_vectors_differ() -> None:
    found = starts(small(graph=[{"stage": "a", "blocks": "core", "loops": 2, "loop_vector": {"init": WIDE}}]))
    assert not torch.allclose(found["stages.a.loop_vector.0"], found["stages.a.loop_vector.1"])


def test_spread_of_normal_and_bounds_of_uniform() -> None:
    model = {"vocab_size": 4000, "dim": 16, "embedding": {"init": {"kind": "normal", "std": 0.02}}}
    table = starts(small(model=model))["token_embedding.weight"]
    assert table.std().item() == pytest.approx(0.02, rel=0.02) and abs(table.mean().item()) < 1e-3
    uniform = starts(with_init({"kind": "uniform_fan_in"}))["blocks.core.0.mlp.up"]
    assert 0.9 / sqrt(16) < uniform.abs().max() <= 1 / sqrt(16)
    assert uniform.min() < -0.2 < 0.2 < uniform.max()


@pytest.mark.parametrize(("scale", "layers"), [("unique_blocks", 3), ("positions", 7)])
@pytest.mark.parametrize("kind", [WIDE, {"kind": "orthogonal", "gain": 2.0}, {"kind": "uniform_fan_in"}])
def test_depth_scale_divides_by_the_root_of_twice_the_layers(scale: str, layers: int, kind: dict[str, Any]) -> None:
    def built(init: dict[str, Any]) -> torch.Tensor:
        blocks = {"core": group(2, init={"matrices": init}), "tail": group(1)}
        graph = [
            {"stage": "trunk", "blocks": "core", "path": [0, 1, 1], "loops": 2},
            {"stage": "tail", "blocks": "tail"},
        ]
        return starts(small(blocks=blocks, graph=graph))["blocks.core.1.attention.key"]

    torch.testing.assert_close(built({**kind, "depth_scale": scale}), built(kind) / sqrt(2 * layers))


def test_constants() -> None:
    plain = small(
        model={
            "vocab_size": 11,
            "dim": 16,
            "input": [{"kind": "smear_gate", "init": {"kind": "constant", "value": -1.5}}],
            "value_embedding": {"dim": 4, "scale": 0.25, "position_scale": 0.75},
        },
        blocks={"core": group(2, value_embedding=True)},
        graph=[{"stage": "trunk", "blocks": "core", "skips": {"kind": "unet", "init": 0.5}}],
    )
    plain["blocks"]["core"]["attention"]["q_gain"] = 1.25
    found = starts(plain)
    assert torch.equal(found["smear_gate.gate"], torch.full((16,), -1.5))
    assert found["value_embedding.scale"].item() == 0.25
    assert found["blocks.core.0.value_scale"].tolist() == [0.75]
    assert found["blocks.core.1.attention.gain"].tolist() == [1.25, 1.25]
    assert torch.equal(found["stages.trunk.skip_weight.1"], torch.full((16,), 0.5))
    assert torch.equal(found["blocks.core.0.residual_mix"], torch.stack((torch.ones(16), torch.zeros(16))))
    assert torch.equal(found["blocks.core.0.attention_scale"], torch.ones(16))


@pytest.mark.parametrize("outputs", ["zero", "normal"])
def test_zero_outputs_make_every_block_the_identity_at_the_start(outputs: str) -> None:
    init = {"matrices": WIDE, "outputs": {"kind": "zero"} if outputs == "zero" else WIDE}
    plain = small(
        model={"vocab_size": 11, "dim": 16, "input": [], "embedding": {"init": WIDE}, "head": {"softcap": None}},
        blocks={"core": group(2, init=init)},
        graph=[{"stage": "trunk", "blocks": "core", "loops": 3}],
    )
    module = build_module(plan_of(plain), seed=1)
    tokens = torch.tensor([[1, 2, 3, 4]])
    table = dict(module.named_parameters())["token_embedding.weight"]
    untouched = project_logits(rms_norm(table[tokens]), table)
    for mode in ("full", "single"):
        assert torch.equal(module(tokens, mode=mode), untouched) is (outputs == "zero")
