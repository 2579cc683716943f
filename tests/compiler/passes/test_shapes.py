"""Widths of sites, and the assertions that fire on a store of the wrong shape."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.small_specs import draft_of, group, small

from loopspec.compiler.graph.model import Graph
from loopspec.compiler.passes.draft import Draft
from loopspec.compiler.passes.shapes import infer_shapes


def ordered() -> Draft:
    plain: dict[str, Any] = small(
        model={
            "vocab_size": 11,
            "dim": 16,
            "input": [{"kind": "ngram_hash", "order": 2, "buckets": 7, "dim": 3}, {"kind": "smear_gate"}],
            "value_embedding": {"dim": 4},
        },
        blocks={"core": group(2, value_embedding=True)},
        graph=[{"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}, "skips": {"kind": "unet"}}],
    )
    return draft_of(plain, "modes")


def with_shape(draft: Draft, name: str, *shape: int) -> Draft:
    """The draft with another shape for one store, in a graph of its own."""
    assert draft.graph is not None
    nodes = draft.graph.nx.copy()  # not frozen, and with attribute dictionaries of its own
    nodes.nodes[name]["node"] = replace(nodes.nodes[name]["node"], shape=shape)
    return replace(draft, graph=Graph(nodes))


def test_widths_are_those_of_the_outputs() -> None:
    widths = infer_shapes(ordered()).widths
    assert widths["tokens"] == widths["output/loss"] == 1
    assert widths["input/embedding"] == widths["input/ngram_hash_2"] == widths["output/norm"] == 16
    assert widths["input/value_embedding"] == widths["trunk/core.1#0/value_scale"] == 8
    assert widths["input/rotary.0"] == 8
    assert widths["output/head"] == 11


@pytest.mark.parametrize(
    ("store", "shape"),
    [
        ("token_embedding.weight", (11, 15)),
        ("ngram_hash_2.table", (7, 4)),
        ("ngram_hash_2.projection", (15, 3)),
        ("smear_gate.gate", (15,)),
        ("value_embedding.projection", (9, 4)),
        ("blocks.core.0.residual_mix", (2, 15)),
        ("blocks.core.0.attention_scale", (8,)),
        ("blocks.core.1.attention.query", (16, 15)),
        ("blocks.core.1.attention.key", (8, 15)),
        ("blocks.core.1.attention.value", (9, 16)),
        ("blocks.core.1.attention.output", (15, 16)),
        ("blocks.core.1.mlp.up", (31, 16)),
        ("blocks.core.1.mlp.down", (15, 32)),
        ("stages.trunk.loop_vector.1", (15,)),
        ("stages.trunk.skip_weight.1", (1,)),
    ],
)
def test_a_store_of_the_wrong_shape_is_caught(store: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(AssertionError, match="do not fit stores"):
        infer_shapes(with_shape(ordered(), store, *shape))
