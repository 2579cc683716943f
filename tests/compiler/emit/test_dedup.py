"""The dedup map: both directions agree with each other and with the plan."""

from __future__ import annotations

import json
from math import prod

import pytest
from support.golden_text import PLANS

from loopspec.compiler import load_plan
from loopspec.compiler.emit.dedup import dedup_map


@pytest.mark.parametrize("name", ["looped", "tied"])
def test_both_directions_agree_and_survive_json(name: str) -> None:
    plan = load_plan(PLANS / f"{name}.yaml")
    found = dedup_map(plan)
    assert json.loads(json.dumps(found)) == found
    assert (found["version"], found["spec"]) == (1, name)
    forward = {(store, site) for store, entry in found["stores"].items() for site in entry["sites"]}
    backward = {(store, site) for site, slots in found["sites"].items() for store in slots.values()}
    assert forward == backward and forward
    assert list(found["stores"]) == [store.name for store in plan.stores]
    for store in plan.stores:
        entry = found["stores"][store.name]
        assert entry["shape"] == list(store.shape) and entry["elements"] == prod(store.shape)
        assert len(entry["sites"]) == store.sites


def test_a_shared_store_lists_each_of_its_sites() -> None:
    found = dedup_map(load_plan(PLANS / "tied.yaml"))
    assert found["stores"]["blocks.trunk.2.mlp.up"]["sites"] == [f"trunk/trunk.2#{run}/mlp" for run in range(3)]
    assert found["stores"]["token_embedding.weight"]["sites"] == ["input/embedding", "output/head"]
    assert found["sites"]["trunk/trunk.2#2/value_scale"] == {"scale": "stages.trunk.value_scale.4"}
    assert found["sites"]["trunk/trunk.3#0/mlp"] == {"up": "blocks.trunk.3.mlp.up", "down": "blocks.trunk.3.mlp.down"}
