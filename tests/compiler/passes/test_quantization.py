"""Rules from stores to schemes: the conditions, and that the first that matches holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.small_specs import draft_of, small

from loopspec.compiler.graph.model import Store
from loopspec.compiler.passes.quantization import first_rule, matches
from loopspec.compiler.spec.architecture import Init
from loopspec.compiler.spec.quantization import Match, Quantization, Rule, Scheme

QUERY = Store("blocks.core.3.attention.query", (4, 6), "matrices", Init("zero"))


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({}, True),
        ({"name": "blocks.*.attention.query"}, True),
        ({"name": "blocks.core.?.attention.*"}, True),
        ({"name": "blocks.core.[0-2].*"}, False),
        ({"name": "attention.query"}, False),  # a glob over the whole name
        ({"name": "*.QUERY"}, False),
        ({"group": "matrices"}, True),
        ({"group": "scalars"}, False),
        ({"ndim": 2}, True),
        ({"ndim": 1}, False),
        ({"min_elements": 24}, True),
        ({"min_elements": 25}, False),
        ({"max_elements": 24}, True),
        ({"max_elements": 23}, False),
        ({"matrix": True}, True),
        ({"matrix": False}, False),
        ({"min_uses": 1}, True),
        ({"min_uses": 2}, False),
        ({"group": "matrices", "ndim": 1}, False),  # every condition must hold
    ],
)
def test_conditions(match: dict[str, Any], holds: bool) -> None:
    assert matches(Match(**match), QUERY, sites=1) is holds


def test_the_first_rule_that_matches_holds() -> None:
    scheme = Scheme("float16")
    rules = (Rule(scheme, Match(ndim=1)), Rule(scheme, Match(min_uses=2)), Rule(scheme, Match(matrix=True)))
    draft = draft_of(small(), "uses")
    once = next(store for store in draft.graph.stores if store.name == "blocks.core.0.attention.query")
    assert draft.uses[once.name].sites == 1
    for kept, index in ((rules, 2), (rules[:2], None)):
        changed = replace(draft, spec=replace(draft.spec, quantization=Quantization(kept)))
        assert first_rule(changed, once) == index


def test_each_store_gets_the_scheme_of_its_first_rule_and_one_without_a_rule_none() -> None:
    integer = {"kind": "integer", "bits": 6, "clip": {"kind": "absmax"}}
    rules = [
        {"match": {"name": "*.mlp.up"}, "scheme": {"kind": "float32"}},
        {"match": {"group": "matrices"}, "scheme": integer},
        {"match": {"ndim": 1}, "scheme": {"kind": "float16"}},
    ]
    schemes = draft_of(small(quantization={"rules": rules}), "quantization").schemes
    assert str(schemes["blocks.core.0.mlp.up"]) == "float32"
    assert str(schemes["blocks.core.0.mlp.down"]) == "int6/absmax"
    assert str(schemes["blocks.core.0.attention.gain"]) == "float16"
    assert {"token_embedding.weight", "blocks.core.0.residual_mix"} & set(schemes) == set()


def test_what_only_training_reads_needs_no_scheme_and_gets_none() -> None:
    model = {"vocab_size": 11, "dim": 16, "multi_token": {"heads": 2}}
    draft = draft_of(small(model=model, quantization={"rules": [{"scheme": {"kind": "float16"}}]}), "quantization")
    assert draft.graph is not None
    assert [store.name for store in draft.graph.stores if store.name not in draft.schemes] == [
        "multi_token_head.0",
        "multi_token_head.1",
    ]
