"""The dedup map: both directions agree with each other and with the plan."""

from __future__ import annotations

import json
from math import prod
from typing import Any

import pytest
from hypothesis import given
from support.examples import examples
from support.golden_text import PLANS
from support.random_specs import specs
from support.small_specs import plan_of, small

from loopspec.compiler import load_plan
from loopspec.compiler.emit.dedup import dedup_map


@pytest.mark.parametrize("name", ["looped", "tied"])
def test_both_directions_agree_and_survive_json(name: str) -> None:
    plan = load_plan(PLANS / f"{name}.yaml")
    found = dedup_map(plan)
    assert json.loads(json.dumps(found)) == found
    assert (found["version"], found["spec"]) == (2, name)
    forward = {(store, site) for store, entry in found["stores"].items() for site in entry["sites"]}
    backward = {(store, site) for site, slots in found["sites"].items() for store in slots.values()}
    assert forward == backward and forward
    assert list(found["stores"]) == [store.name for store in plan.stores] and not found["training_only"]
    for store in plan.stores:
        entry = found["stores"][store.name]
        assert entry["shape"] == list(store.shape) and entry["elements"] == prod(store.shape)
        assert len(entry["sites"]) == store.sites


@examples(15, derandomize=True)
@given(specs())
def test_both_directions_agree_in_every_spec(plain: dict[str, Any]) -> None:
    plan = plan_of(plain)
    found = dedup_map(plan)
    assert {store.name: store.exported for store in plan.stores} == (
        dict.fromkeys(found["stores"], True) | dict.fromkeys(found["training_only"], False)
    )
    entries = (found["stores"] | found["training_only"]).items()
    forward = {(store, site) for store, entry in entries for site in entry["sites"]}
    assert forward == {(store, site) for site, slots in found["sites"].items() for store in slots.values()}


def test_a_shared_store_lists_each_of_its_sites() -> None:
    found = dedup_map(load_plan(PLANS / "tied.yaml"))
    assert found["stores"]["blocks.trunk.2.mlp.up"]["sites"] == [f"trunk/trunk.2#{run}/mlp" for run in range(3)]
    assert found["stores"]["token_embedding.weight"]["sites"] == ["input/embedding", "output/head"]
    assert found["sites"]["trunk/trunk.2#2/value_scale"] == {"scale": "stages.trunk.value_scale.4"}
    assert found["sites"]["trunk/trunk.3#0/mlp"] == {"up": "blocks.trunk.3.mlp.up", "down": "blocks.trunk.3.mlp.down"}


def test_what_only_training_reads_is_apart_and_in_both_directions() -> None:
    stage = {"stage": "trunk", "blocks": "core", "loops": 2, "auxiliary_loss": {"kind": "learned"}}
    plan = plan_of(small(model={"vocab_size": 11, "dim": 16, "multi_token": {"heads": 2}}, graph=[stage]))
    found = dedup_map(plan)
    assert list(found["stores"]) == [store.name for store in plan.exported_stores]
    assert {name: entry["sites"] for name, entry in found["training_only"].items()} == {
        "stages.trunk.loss_weight": ["output/full/learned_loss"],
        "multi_token_head.0": ["output/multi_token.0"],
        "multi_token_head.1": ["output/multi_token.1"],
    }
    assert found["training_only"]["multi_token_head.1"]["shape"] == [11, 16]
    listed = found["stores"] | found["training_only"]
    forward = {(store, site) for store, entry in listed.items() for site in entry["sites"]}
    assert forward == {(store, site) for site, slots in found["sites"].items() for store in slots.values()}
    assert found["sites"]["output/full/learned_loss"] == {"weights": "stages.trunk.loss_weight"}
    assert found["stores"]["token_embedding.weight"]["sites"] == [
        *("input/embedding", "output/head", "trunk/loop.0/auxiliary_head"),
    ]
