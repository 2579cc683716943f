"""Which optimizer trains each store: the first rule that takes it, or none."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_specs import plan_of, small

from loopspec.compiler.plan import PlannedStore


def stores(*rules: dict[str, Any]) -> dict[str, PlannedStore]:
    train = {"sequence_length": 8, "batch_tokens": 16, "stop": {"steps": 10}}
    document = small(train=train | {"assign": list(rules)} if rules else train)
    return {store.name: store for store in plan_of(document).stores}


def test_by_default_each_store_is_in_the_group_that_it_declares() -> None:
    groups = {name: store.group for name, store in stores().items()}
    assert groups["token_embedding.weight"] == "embeddings"
    assert groups["blocks.core.1.mlp.up"] == "matrices"
    assert groups["blocks.core.1.mlp_scale"] == "scalars"
    assert all(store.trainable for store in stores().values())


def test_the_first_rule_that_matches_holds() -> None:
    found = stores(
        {"match": {"name": "blocks.core.0.*", "ndim": 2}, "to": "scalars"},
        {"match": {"name": "blocks.core.0.*"}, "to": "frozen"},
        {"match": {"group": "embeddings"}, "to": "head"},
        {"to": "declared"},
    )
    assert found["blocks.core.0.mlp.up"].group == "scalars"
    assert found["blocks.core.0.mlp_scale"].group == "frozen"
    assert found["token_embedding.weight"].group == "head"
    assert found["blocks.core.1.mlp.up"].group == "matrices"


@pytest.mark.parametrize(("destination", "trainable"), [("frozen", False), ("declared", True), ("scalars", True)])
def test_frozen_stores_are_not_trainable(destination: str, trainable: bool) -> None:
    found = stores({"match": {"name": "blocks.core.0.mlp.up"}, "to": destination}, {"to": "declared"})
    assert found["blocks.core.0.mlp.up"].trainable is trainable


def test_a_store_that_no_rule_takes_is_in_no_group() -> None:
    found = stores({"match": {"ndim": 2}, "to": "declared"})
    untrained = {name for name, store in found.items() if not store.trainable}
    assert {found[name].group for name in untrained} == {"none"}
    assert untrained == {name for name, store in found.items() if len(store.shape) != 2}
