"""The resolved document says what every block's slope and rope are."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler.check import check_spec, plan_resolved
from loopspec.compiler.schema import load_schema
from loopspec.compiler.schema.defaults import fill_defaults
from loopspec.compiler.spec.overrides import merged_blocks
from loopspec.compiler.spec.resolve_blocks import ROPE, resolve_blocks

TINY = Path(__file__).parents[2] / "err" / "parents" / "tiny.yaml"
LEAKY = {"activation": "leaky_relu_squared"}
RELU = {"activation": "relu_squared"}


def _document(mlp: dict[str, Any], rope: dict[str, Any] | None, overrides: list[dict[str, Any]]) -> dict[str, Any]:
    group = {
        "count": 4,
        "attention": {"heads": 4, "kv_heads": 2, "rope": rope},
        "mlp": {"ratio": 2, **mlp},
        "overrides": overrides,
    }
    plain = {"model": {"vocab_size": 64, "dim": 32}, "blocks": {"core": group}}
    return fill_defaults(plain, load_schema())


def _resolved(mlp: dict[str, Any], rope: dict[str, Any] | None, overrides: list[dict[str, Any]]) -> dict[str, Any]:
    group: dict[str, Any] = resolve_blocks(_document(mlp, rope, overrides))["blocks"]["core"]
    return group


def test_the_slope_of_a_leaky_group_is_written_into_it() -> None:
    group = _resolved(LEAKY, {}, [])
    assert group["mlp"]["negative_slope"] == 0.5
    assert group["overrides"] == []


def test_what_single_blocks_lack_is_appended_as_an_override() -> None:
    overrides: list[dict[str, Any]] = [
        {"blocks": ["1..2"], "mlp": LEAKY},
        {"blocks": [2], "mlp": {"negative_slope": 0.25}},
    ]
    assert _resolved(RELU, {}, overrides)["overrides"] == [*overrides, {"blocks": [1], "mlp": {"negative_slope": 0.5}}]


def test_a_block_that_leaves_a_leaky_group_gets_no_slope() -> None:
    group = _resolved(LEAKY, {}, [{"blocks": [3], "mlp": RELU}])
    assert [block.plain["mlp"]["negative_slope"] for block in merged_blocks(group)] == [0.5, 0.5, 0.5, None]


def test_a_partial_rope_over_none_is_completed() -> None:
    group = _resolved(RELU, None, [{"blocks": [0, 3], "attention": {"rope": {"dims": 4}}}])
    assert group["overrides"][1] == {
        "blocks": [0, 3],
        "attention": {
            "rope": {
                "base": 10000.0,
                "ntk_reference": None,
                "ntk_exponent": "dims",
                "direction": "backward",
                "dtype": "float32",
            }
        },
    }


def test_the_defaults_are_those_of_the_schema() -> None:
    filled = _document(RELU, {}, [])["blocks"]["core"]["attention"]["rope"]
    assert filled == ROPE


ROPES = st.sampled_from([None, {}, {"dims": 4}, {"base": 50.0}, {"direction": "forward", "dtype": "bfloat16"}])
SLOPES = st.fixed_dictionaries(
    {},
    optional={
        "activation": st.sampled_from(["relu_squared", "leaky_relu_squared"]),
        "negative_slope": st.sampled_from([None, 0.25]),
    },
)
CHANGES = st.fixed_dictionaries(
    {"blocks": st.lists(st.integers(0, 3), min_size=1, max_size=3)},
    optional={"mlp": SLOPES, "attention": st.fixed_dictionaries({"rope": ROPES})},
)


@examples(100)
@given(mlp=SLOPES, rope=ROPES, overrides=st.lists(CHANGES, max_size=4))
def test_every_block_is_completed_and_nothing_that_is_given_changes(
    mlp: dict[str, Any], rope: dict[str, Any] | None, overrides: list[dict[str, Any]]
) -> None:
    document = _document(mlp, rope, overrides)
    before = copy.deepcopy(document)
    resolved = resolve_blocks(document)
    assert document == before
    assert resolve_blocks(resolved) == resolved
    pairs = zip(merged_blocks(before["blocks"]["core"]), merged_blocks(resolved["blocks"]["core"]), strict=True)
    for old, new in pairs:
        given_slope, slope = old.plain["mlp"]["negative_slope"], new.plain["mlp"]["negative_slope"]
        leaky = old.plain["mlp"]["activation"] == "leaky_relu_squared"
        assert slope == (0.5 if given_slope is None and leaky else given_slope)
        given_rope, full = old.plain["attention"]["rope"], new.plain["attention"]["rope"]
        assert full == (None if given_rope is None else ROPE | given_rope)


def test_the_plan_carries_the_resolved_document_and_comes_out_of_it_again() -> None:
    sets = [
        "blocks.core.mlp.activation=leaky_relu_squared",
        "blocks.core.attention.rope=null",
        "blocks.core.overrides=[{blocks: [1], mlp: {activation: relu_squared}, attention: {rope: {dims: 4}}}]",
    ]
    checked = check_spec(TINY, sets)
    assert checked.plan is not None and checked.plain == checked.plan.spec.plain
    first, second = checked.plan.spec.architecture.blocks["core"]
    assert (first.mlp.negative_slope, second.mlp.negative_slope) == (0.5, None)
    assert first.attention.rope is None and second.attention.rope is not None
    assert second.attention.rope.base == 10000.0
    assert plan_resolved(checked.plan.spec.plain, "again").spec == checked.plan.spec
