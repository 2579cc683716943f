"""The loaded module: a parameter for each store, one object a store, tracebacks that show the line."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
import torch
from hypothesis import given
from support.examples import examples
from support.golden_text import PLANS
from support.random_specs import specs
from support.small_specs import plan_of

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module, load_class
from loopspec.compiler.emit.names import class_name
from loopspec.compiler.emit.source import emit_source
from loopspec.compiler.plan import Plan
from loopspec.compiler.source.shipped import shipped_specs

SHIPPED = {name: path for name, path in shipped_specs().items() if not name.startswith("bases/")}
TOKENS = torch.tensor([[1, 2, 3, 4, 5, 6]])


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(PLANS / "looped.yaml")


@pytest.mark.parametrize("name", SHIPPED)
def test_parameters_and_buffers_of_a_shipped_model_are_the_plans_stores_and_states(name: str) -> None:
    """The module's order may differ from the plan's: torch lists a module's own parameters before its children's."""
    plan = load_plan(SHIPPED[name])
    with torch.device("meta"):
        module = load_class(emit_source(plan), class_name(plan.spec.name))()
    check_tensors(module, plan)


def check_tensors(module: torch.nn.Module, plan: Plan) -> None:
    """Every store is a parameter and every state a buffer; a trace has none before it records."""
    parameters = [(name, tuple(value.shape), str(value.dtype)) for name, value in module.named_parameters()]
    assert sorted(parameters) == sorted((store.name, store.shape, f"torch.{store.dtype}") for store in plan.stores)
    kept = [state for state in plan.states if not state.name.endswith(".trace.delta")]
    buffers = [(name, tuple(value.shape), str(value.dtype)) for name, value in module.named_buffers()]
    assert sorted(buffers) == sorted((state.name, state.shape, f"torch.{state.dtype}") for state in kept)
    assert sorted(module.state_dict()) == sorted(node.name for node in (*plan.stores, *kept))


@given(specs())
@examples(10, derandomize=True)
def test_parameters_and_buffers_of_a_random_model_are_the_plans_stores_and_states(plain: dict[str, Any]) -> None:
    plan = plan_of(plain)
    check_tensors(build_module(plan), plan)


def check_one_object_a_store(module: torch.nn.Module, plan: Plan) -> None:
    named = list(module.named_parameters(remove_duplicate=False))
    assert sorted(name for name, _ in named) == sorted(store.name for store in plan.stores)
    assert len({id(parameter) for _, parameter in named}) == len(named)
    assert len({parameter.data_ptr() for _, parameter in named}) == len(named)
    assert all(isinstance(parameter, torch.nn.Parameter) for _, parameter in named)


def test_a_store_is_one_object_even_after_weights_are_assigned(plan: Plan) -> None:
    module = build_module(plan, seed=1)
    check_one_object_a_store(module, plan)
    logits = {mode: module(TOKENS, mode=mode) for mode in plan.modes}
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.device("meta"):
        again = load_class(emit_source(plan), class_name(plan.spec.name))()
    again.to_empty(device="cpu")
    check_one_object_a_store(again, plan)
    again.load_state_dict(weights, assign=True)
    check_one_object_a_store(again, plan)
    for mode in plan.modes:
        assert torch.equal(again(TOKENS, mode=mode), logits[mode])


def test_modes_differ_and_the_default_is_full(plan: Plan) -> None:
    module = build_module(plan, seed=1)
    with torch.no_grad():
        for index, parameter in enumerate(module.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index)))
    logits = [module(TOKENS, mode=mode) for mode in ("full", "single", "two")]
    assert torch.equal(module(TOKENS), logits[0])
    assert all(not torch.allclose(logits[a], logits[b], atol=1e-3) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_an_unknown_mode_is_an_error_that_names_the_modes(plan: Plan) -> None:
    with pytest.raises(ValueError, match=r"mode 'triple' is not one of \('full', 'single', 'two'\)"):
        build_module(plan)(TOKENS, mode="triple")


def test_a_traceback_shows_the_emitted_line(plan: Plan) -> None:
    module = build_module(plan, seed=1)
    with torch.no_grad():
        dict(module.named_modules())["blocks.core.1.mlp"].up = torch.nn.Parameter(torch.zeros(3, 3))
    with pytest.raises(RuntimeError) as caught:
        module(TOKENS)
    text = "".join(traceback.format_exception(caught.value))
    assert "<loopspec model Looped " in text and "in _mode_full" in text
    assert "h = core_blocks[1].mlp(h)" in text


def test_a_module_without_a_seed_is_zero(plan: Plan) -> None:
    assert not any(parameter.any() for parameter in build_module(plan).parameters())
