"""Blocks are checked as they are built: all overrides of an index together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler.check import check_spec
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.graph.declare import value_embedding_width
from loopspec.compiler.spec.architecture import Block

TINY = Path(__file__).parents[2] / "err" / "parents" / "tiny.yaml"
PLACED = ["model.value_embedding={dim: 8}", "graph.0.place={value_embedding: [1]}"]


def _codes(*sets: str) -> list[str]:
    return [item.code for item in check_spec(TINY, sets).diagnostics]


def _fits(block: Block, dim: int) -> bool:
    attention, mlp = block.attention, block.mlp
    rotary = True if attention.rope is None else (attention.rope.dims or 2) <= dim // attention.heads
    return (
        dim % attention.heads == 0
        and attention.heads % attention.kv_heads == 0
        and rotary
        and (mlp.ratio is None) != (mlp.hidden is None)
        and (mlp.negative_slope is not None) == (mlp.activation == "leaky_relu_squared")
    )


HEADS = st.fixed_dictionaries(
    {},
    optional={
        "heads": st.sampled_from([1, 2, 4, 8]),
        "kv_heads": st.sampled_from([1, 2, 4]),
        "rope": st.sampled_from([None, {"dims": 8}, {"base": 100.0}, {"dims": None}]),
    },
)
MLPS = st.fixed_dictionaries(
    {},
    optional={
        "activation": st.sampled_from(["relu_squared", "leaky_relu_squared"]),
        "negative_slope": st.sampled_from([None, 0.25]),
        "ratio": st.sampled_from([None, 2]),
        "hidden": st.sampled_from([None, 48]),
    },
)
OVERRIDES = st.lists(
    st.fixed_dictionaries(
        {"blocks": st.sampled_from([[0], [1], [0, 1]]), "mlp": MLPS},
        optional={"attention": HEADS},
    ),
    max_size=3,
)


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(overrides=OVERRIDES)
def test_a_clean_spec_has_blocks_that_fit_and_a_faulty_one_a_message(overrides: list[dict[str, Any]]) -> None:
    checked = check_spec(TINY, [f"blocks.core.overrides={yaml.safe_dump(overrides, default_flow_style=True)}"])
    assert checked.ok == (checked.plan is not None), "a fault of a block is never left to the passes"
    if checked.plan is not None:
        architecture = checked.plan.spec.architecture
        assert all(_fits(block, architecture.model.dim) for block in architecture.blocks["core"])
    else:
        assert {item.code for item in checked.diagnostics} <= {"LS102", "LS103", "LS104", "LS105"}


@pytest.mark.parametrize("count", [1, 2])
def test_a_problem_of_several_blocks_is_reported_once(count: int) -> None:
    sets = f"blocks.core.overrides=[{{blocks: {list(range(count))}, attention: {{kv_heads: 3}}}}]"
    assert _codes(sets) == ["LS102"]


def test_overrides_that_are_wrong_alone_and_right_together() -> None:
    first = "{blocks: [0], attention: {heads: 2}}"
    assert _codes(f"blocks.core.overrides=[{first}]", "blocks.core.attention.kv_heads=4") == ["LS102"]
    second = "{blocks: [0], attention: {kv_heads: 2}}"
    assert _codes(f"blocks.core.overrides=[{first}, {second}]") == []


def test_a_norm_scale_replaces_that_of_the_group() -> None:
    group = "blocks.core.residual={norm_scale: {index: explicit, indices: [3, 4]}}"
    override = "blocks.core.overrides=[{blocks: [1], residual: {norm_scale: {index: site}}}]"
    plan = check_spec(TINY, [group, override]).plan
    assert plan is not None
    scales = [block.residual.norm_scale for block in plan.spec.architecture.blocks["core"]]
    assert [scale and (scale.index, scale.indices) for scale in scales] == [("explicit", (3, 4)), ("site", None)]


def test_the_value_embedding_has_the_width_of_the_block_at_its_position() -> None:
    plan = check_spec(TINY, [*PLACED, "blocks.core.overrides=[{blocks: [1], attention: {kv_heads: 4}}]"]).plan
    assert plan is not None
    assert value_embedding_width(plan.spec.architecture) == 32
    widths = {store.name: store.shape for store in plan.stores}
    assert widths["value_embedding.projection"] == (32, 8) and widths["blocks.core.1.attention.value"] == (32, 32)


@pytest.mark.parametrize(
    "overrides",
    [
        "[{blocks: [1], attention: {kv_heads: 4}}]",
        "[{blocks: [1], attention: {heads: 2, kv_heads: 1, rope: {dims: 4}}}, {blocks: [0], mlp: {ratio: 1}}]",
        "[{blocks: [1], mlp: {activation: leaky_relu_squared}}]",
    ],
)
def test_blocks_of_several_shapes_run(overrides: str) -> None:
    plan = check_spec(TINY, [*PLACED, f"blocks.core.overrides={overrides}"]).plan
    assert plan is not None
    tokens = torch.arange(16)[None]
    loss = build_module(plan, 0)(tokens, tokens)
    assert torch.isfinite(torch.as_tensor(loss)).all()


def test_a_flag_that_every_override_takes_back_is_no_use() -> None:
    sets = ["model.value_embedding={dim: 8}", "blocks.core.value_embedding=true"]
    assert _codes(*sets, "blocks.core.overrides=[{blocks: [0, 1], value_embedding: false}]") == ["LS501"]
    assert _codes(*sets, "blocks.core.overrides=[{blocks: [0], value_embedding: false}]") == []


def test_a_broken_place_is_no_unused_value_embedding() -> None:
    assert _codes(PLACED[0], "graph.0.place={value_embedding: [7]}") == ["LS116"]
