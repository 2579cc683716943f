"""The plan as JSON: the documented keys, and the same figures as the plan."""

from __future__ import annotations

import json

import pytest
from support.golden_text import PLANS, check_golden_text

from loopspec.compiler import load_plan
from loopspec.compiler.plan_json import plan_json
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.compiler.summary import plan_text


@pytest.mark.parametrize("name", ["tied-15l", "quickstart"])
def test_the_text_of_a_shipped_plan_is_the_golden(name: str) -> None:
    check_golden_text(f"{name}.plan.txt", plan_text(load_plan(shipped_specs()[f"{name}.yaml"])))


def test_json_has_the_documented_keys_and_the_plans_figures() -> None:
    plan = load_plan(PLANS / "looped.yaml")
    found = plan_json(plan)
    assert json.loads(json.dumps(found)) == found
    assert list(found) == [
        *("spec", "parameters", "training_only_parameters", "effective_parameters", "stores", "states"),
        *("modes", "depths", "costs", "graphs", "sites", "cadence", "steps_by_mode", "activities", "budget"),
    ]
    assert found["effective_parameters"] == plan.effective_parameters
    assert found["spec"] == "looped" and found["parameters"] == plan.parameters
    assert found["parameters"] == sum(store["elements"] for store in found["stores"])
    for entry, store in zip(found["stores"], plan.stores, strict=True):
        assert entry["name"] == store.name and entry["shape"] == list(store.shape)
        assert (entry["dtype"], entry["group"], entry["scheme"]) == (store.dtype, store.group, str(store.scheme))
        assert (entry["modes"], entry["uses"]) == (list(store.modes), store.sites)
    assert found["modes"] == {"full": [*range(10)], "single": [0, 1, 2, 9], "two": [0, 1, 2, 3, 4, 5, 9]}
    assert found["sites"][5] == {
        "index": 5,
        "stage": "trunk",
        "loop": 1,
        "block": "core.2",
        "occurrence": 1,
        "features": ["xsa"],
    }
    assert found["cadence"] == [
        {"first_step": 0, "until": {"steps": 4}, "pattern": ["single", "two"], "sample": None},
        {"first_step": 4, "until": None, "pattern": ["full"], "sample": None},
    ]
    assert found["steps_by_mode"] == {"full": 6, "single": 2, "two": 2}
    assert set(found["costs"]) == set(found["modes"])
    assert found["depths"] == {"full": 10, "single": 4, "two": 7}
    assert [(graph["mode"], graph["entry"]) for graph in found["graphs"]] == [
        *((mode, "training") for mode in ("full", "single", "two")),
        ("full", "logits"),
    ]
    assert all(entry["gradient_modes"] == entry["modes"] for entry in found["stores"])
    assert set(found["budget"]) == {"limit_bytes", "predicted_bytes", "low_bytes", "high_bytes", "code_bytes"}
    assert found["budget"]["predicted_bytes"] == plan.size.predicted_bytes


def test_states_and_what_only_training_reads_are_told_apart() -> None:
    plan = load_plan(PLANS / "varied.yaml")
    found = plan_json(plan)
    assert json.loads(json.dumps(found)) == found
    assert found["states"] == [
        {"name": "stages.bank.trace.delta", "shape": [], "dtype": "float32", "exported": False},
        {"name": "stages.mill.average", "shape": [32], "dtype": "float32", "exported": True},
    ]
    schemes = {store["name"]: store["scheme"] for store in found["stores"]}
    assert {name for name, scheme in schemes.items() if scheme is None} == {"multi_token_head.0"}
    assert found["training_only_parameters"] == 64 * 32
    assert found["parameters"] - plan.exported_parameters == 64 * 32
