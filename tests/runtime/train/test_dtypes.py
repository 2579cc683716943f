"""Stores in the dtypes in which the reference systems trained: declared so, and kept so by all that hold them."""

from __future__ import annotations

import json

import pytest
import torch
from support.golden_systems import GOLDENS
from support.goldens import GOLDEN, SPECS, Golden

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.optim.groups import GroupedOptimizers
from loopspec.runtime.train.average import ExponentialAverage

RECORDED = [
    golden
    for golden in GOLDENS
    if golden.spec.parent == SPECS and "trained_dtypes" in json.loads((GOLDEN / f"{golden.vectors}.json").read_text())
]
FEW_TOKENS = ("train.sequence_length=16", "train.batch_tokens=32", "train.accumulation=1", "evaluate.stride=16")


def trained_dtypes(golden: Golden) -> dict[str, str]:
    """Dtypes of the reference system's parameters once its trainer has cast them, by recorded name."""
    dtypes: dict[str, str] = json.loads((GOLDEN / f"{golden.vectors}.json").read_text())["trained_dtypes"]
    return dtypes


def plan_as_trained(golden: Golden) -> Plan:
    """The shipped spec as small as the recording, in the dtypes that it declares."""
    sets = [change for change in golden.sets if "dtype=" not in change]
    return load_plan(golden.spec, [*sets, *FEW_TOKENS])


@pytest.mark.parametrize("golden", RECORDED, ids=lambda golden: golden.vectors)
def test_two_steps_keep_every_parameter_in_the_dtype_of_the_reference(golden: Golden) -> None:
    plan = plan_as_trained(golden)
    module = build_module(plan, seed=1).train()
    expected = {store.name: trained_dtypes(golden)[recorded(golden, store.name)] for store in plan.stores}
    assert {store.name: store.dtype for store in plan.stores} == expected
    assert {name: str(value.dtype) for name, value in module.named_parameters()} == {
        name: f"torch.{dtype}" for name, dtype in expected.items()
    }
    optimizers = GroupedOptimizers(plan, module)
    average = ExponentialAverage(optimizers.trainable, 0.5, debias=True)
    before = {name: value.detach().clone() for name, value in optimizers.trainable.items()}
    tokens = torch.randint(0, 64, (2, 16), generator=torch.Generator().manual_seed(2))
    learning: set[str] = set()
    for step in range(2):
        learning |= take_step(module, optimizers, tokens, step)
        average.update(optimizers.trainable, step + 1)
    narrow = [name for name, dtype in expected.items() if dtype == "bfloat16"]
    assert "token_embedding.weight" in narrow
    for name, value in module.named_parameters():
        assert str(value.dtype) == f"torch.{expected[name]}" and torch.isfinite(value).all(), name
    assert len(learning & set(narrow)) >= 1
    assert all(not torch.equal(before[name], module.get_parameter(name)) for name in learning & set(narrow))
    assert {value.dtype for value in average.weights().values()} == {torch.float32}


def recorded(golden: Golden, store: str) -> str:
    return golden.recorded_name(store).partition("@")[0]


def take_step(module: torch.nn.Module, optimizers: GroupedOptimizers, tokens: torch.Tensor, step: int) -> set[str]:
    """One step in bfloat16 products, with the recipe's clip and optimizers; the stores whose gradient is not 0."""
    optimizers.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = module(tokens, tokens.roll(-1, 1))
    loss.backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is None or parameter.grad.dtype == parameter.dtype, name
    optimizers.clip(optimizers.grad_norm())
    optimizers.step(step, 1.0)
    return {name for name, value in optimizers.trainable.items() if value.grad is not None and value.grad.any()}


@pytest.mark.parametrize("name", ["baseline-9l", "cycle-3x9", "cycle-3x9-scales"])
def test_what_trains_on_a_thousand_tokens_has_rotary_tables_in_bfloat16(name: str) -> None:
    """The others train on more than their NTK reference, where the reference systems compute in float32."""
    plan = load_plan(SPECS / f"{name}.yaml")
    (site,) = (plan.graph.site(site) for site in plan.modes["full"].sites if "rotary" in site)
    assert site.attribute("dtype") == "bfloat16"


def test_states_are_kept_in_the_declared_dtype() -> None:
    plan = load_plan(SPECS / "micro-crawler-run6.yaml", ["model.dim=160", *FEW_TOKENS])
    assert {state.name: state.dtype for state in plan.states} == {"stages.crawler.average": "bfloat16"}
    module = build_module(plan, seed=1).train()
    tokens = torch.randint(0, 1024, (2, 16), generator=torch.Generator().manual_seed(2))
    module(tokens, tokens)
    average = module.get_buffer("stages.crawler.average")
    assert average.dtype == torch.bfloat16 and average.abs().sum() > 0
