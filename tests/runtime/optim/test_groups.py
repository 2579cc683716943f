"""Which optimizer each store gets, and the errors where plan, module and spec disagree."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from loopspec.compiler.plan import Plan, PlannedStore
from loopspec.compiler.spec.architecture import Init
from loopspec.compiler.spec.clock import Stop
from loopspec.compiler.spec.optimizer import GroupOptimizer, MomentumWarmup
from loopspec.compiler.spec.train import Schedule, Train
from loopspec.runtime.optim.groups import GroupedOptimizers, parameters_of, stores_by_group
from loopspec.runtime.optim.liveness import LivenessError
from loopspec.runtime.optim.muon import Muon

ADAMW = GroupOptimizer("adamw", 0.01, 0.1, betas=(0.9, 0.95), eps=1e-8)
MUON = GroupOptimizer("muon", 0.02, 0.1, momentum=0.95, nesterov=True, newton_schulz_steps=5)
STORES = (("table", (5, 4), "embeddings"), ("matrix", (4, 4), "matrices"), ("gain", (4,), "scalars"))
TRAIN = Train(
    seed=1,
    sequence_length=4,
    batch_tokens=4,
    accumulation=1,
    stop=Stop(steps=10),
    schedule=Schedule(warmdown_steps=10),
    optimizer={"matrices": MUON, "embeddings": ADAMW, "scalars": ADAMW},
)


def make(train: Train = TRAIN, stores: Any = STORES) -> tuple[Plan, nn.Module]:
    planned = tuple(
        PlannedStore(name, shape, "float32", Init("zero"), group, cast("Any", None), ("full",), 1, ("full",))
        for name, shape, group in stores
    )
    module = nn.Module()
    for name, shape, _group in reversed(stores):
        module.register_parameter(name, nn.Parameter(torch.ones(shape)))
    return cast("Plan", SimpleNamespace(stores=planned, spec=SimpleNamespace(train=train))), module


def test_every_store_in_exactly_one_optimizer_of_its_group() -> None:
    plan, module = make()
    optimizers = GroupedOptimizers(plan, module)
    assert list(optimizers.parameters) == ["table", "matrix", "gain"]  # plan order, not the module's
    kinds = {name: type(optimizer) for name, optimizer in optimizers.optimizers.items()}
    matrices = optimizers.optimizers["matrices"]
    assert isinstance(matrices, Muon) and matrices.options.dtype == torch.float32  # on CPU
    assert kinds == {"embeddings": torch.optim.AdamW, "matrices": Muon, "scalars": torch.optim.AdamW}
    for name, _shape, group in STORES:
        (held,) = optimizers.optimizers[group].param_groups
        assert [id(p) for p in held["params"]] == [id(module.get_parameter(name))]


def test_matrices_may_be_adamw() -> None:
    plan, module = make(replace(TRAIN, optimizer=dict.fromkeys(TRAIN.optimizer, ADAMW)))
    assert type(GroupedOptimizers(plan, module).optimizers["matrices"]) is torch.optim.AdamW


def test_group_without_optimizer_is_an_error() -> None:
    plan, _ = make(stores=(*STORES, ("output", (2, 2), "head")))
    with pytest.raises(ValueError, match=r"store output is in group head, which no.*add train.optimizer.head"):
        stores_by_group(plan)


def test_muon_on_a_vector_is_an_error() -> None:
    plan, _ = make(stores=(("gain", (4,), "matrices"),))
    with pytest.raises(ValueError, match=r"store gain has shape \(4,\), but train.optimizer.matrices is muon"):
        stores_by_group(plan)


def test_plan_and_module_must_agree() -> None:
    plan, module = make()
    module.register_parameter("extra", nn.Parameter(torch.ones(1)))
    with pytest.raises(AssertionError, match=r"not planned \['extra'\], not emitted \[\]"):
        parameters_of(plan, module)
    plan, module = make()
    module.gain = nn.Parameter(torch.ones(5))
    with pytest.raises(AssertionError, match=r"gain: planned \(4,\), emitted \(5,\)"):
        parameters_of(plan, module)


def test_tied_parameters_are_refused() -> None:
    """Two names for one tensor: `named_parameters` shows one of them, so the plan has a store that is not there."""
    plan, module = make(stores=(("a", (4, 4), "matrices"), ("b", (4, 4), "matrices")))
    module.b = module.a
    with pytest.raises(AssertionError, match="not emitted"):
        GroupedOptimizers(plan, module)


def test_learning_rates_follow_the_schedule() -> None:
    plan, module = make()
    optimizers = GroupedOptimizers(plan, module)
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizers.step(5, 0.5)
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in optimizers.optimizers.items()}
    assert rates == {"matrices": 0.01, "embeddings": 0.005, "scalars": 0.005}


def test_the_momentum_is_the_one_of_the_step_that_is_named() -> None:
    """Steps after training name the last step of training, however long that is ago."""
    muon = replace(MUON, momentum_warmup=MomentumWarmup(0.85, 10))
    plan, module = make(replace(TRAIN, optimizer=TRAIN.optimizer | {"matrices": muon}))
    optimizers = GroupedOptimizers(plan, module)
    for step, momentum in ((0, 0.85), (5, 0.9), (40, 0.95), (5, 0.9)):
        module.matrix.grad = torch.ones(4, 4)
        optimizers.step(step, 1.0)
        assert optimizers.optimizers["matrices"].param_groups[0]["momentum"] == pytest.approx(momentum)


def test_clip_scales_the_global_norm() -> None:
    plan, module = make(replace(TRAIN, grad_clip=0.5))
    optimizers = GroupedOptimizers(plan, module)
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    norm = optimizers.grad_norm()
    assert norm.item() == pytest.approx(40**0.5)
    optimizers.clip(norm)
    assert optimizers.grad_norm().item() == pytest.approx(0.5, rel=1e-5)
    plan, module = make()
    module.gain.grad = torch.full((4,), 100.0)
    loose = GroupedOptimizers(plan, module)
    loose.clip(loose.grad_norm())
    assert loose.grad_norm().item() == 200.0


@pytest.mark.parametrize(("inactive", "expected"), [("skip", 1.0), ("decay", 1.0 - 0.01 * 0.1)])
def test_store_without_gradient(inactive: Any, expected: float) -> None:
    plan, module = make(replace(TRAIN, inactive=inactive, schedule=Schedule()))
    optimizers = GroupedOptimizers(plan, module)
    module.gain.grad = torch.ones(4)
    optimizers.step(0, 1.0)
    torch.testing.assert_close(module.table.detach(), torch.full((5, 4), expected))
    assert module.table not in optimizers.optimizers["embeddings"].state
    assert module.gain.max() < 0.995  # the update itself


def test_gradient_on_a_store_that_the_mode_does_not_use() -> None:
    plan, module = make()
    optimizers = GroupedOptimizers(plan, module)
    module.table.grad = torch.ones(5, 4)
    with pytest.raises(LivenessError, match="store table got a gradient in mode single"):
        optimizers.check_liveness("single")
    optimizers.zero_grad()
    optimizers.check_liveness("single")
    with pytest.raises(LivenessError, match="store table is trained by mode full"):
        optimizers.check_liveness("full")


def test_a_loss_of_the_logits_reaches_no_store_of_training_alone() -> None:
    """As in a distillation: a further head of training has a gradient with the model's own loss, and none here."""
    plan, module = make()
    stores = tuple(replace(store, exported=store.name != "matrix") for store in plan.stores)
    optimizers = GroupedOptimizers(cast("Plan", SimpleNamespace(stores=stores, spec=plan.spec)), module)
    for name in ("table", "gain"):
        module.get_parameter(name).grad = torch.ones_like(module.get_parameter(name))
    optimizers.check_liveness("full", exported_only=True)
    with pytest.raises(LivenessError, match="store matrix is trained by mode full but no gradient reached it"):
        optimizers.check_liveness("full")
    module.matrix.grad = torch.ones(4, 4)
    optimizers.check_liveness("full")
    with pytest.raises(LivenessError, match="store matrix got a gradient in mode full"):
        optimizers.check_liveness("full", exported_only=True)


def test_a_loss_of_the_logits_need_not_reach_what_further_losses_train() -> None:
    """As with `backpropagate_loops`, where an early loop's vector is trained by that loop's auxiliary loss alone."""
    plan, module = make()
    optimizers = GroupedOptimizers(plan, module)
    module.table.grad = torch.ones_like(module.table)
    optimizers.check_liveness("full", exported_only=True)
    with pytest.raises(LivenessError, match="is trained by mode full but no gradient reached it"):
        optimizers.check_liveness("full")


def test_a_store_that_is_never_trained_is_in_no_optimizer() -> None:
    plan, module = make(stores=(*STORES, ("bank", (4, 4), "frozen"), ("gate", (4,), "none")))
    optimizers = GroupedOptimizers(plan, module)
    assert optimizers.optimizers.keys() == {"embeddings", "matrices", "scalars"}
    assert list(optimizers.parameters) == ["table", "matrix", "gain", "bank", "gate"]
    assert list(optimizers.trainable) == ["table", "matrix", "gain"]
    wants = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    assert wants == {"table": True, "matrix": True, "gain": True, "bank": False, "gate": False}
    for parameter in optimizers.trainable.values():
        parameter.grad = torch.ones_like(parameter)
    optimizers.check_liveness("full")
    module.gate.grad = torch.ones(4)
    with pytest.raises(LivenessError, match="store gate got a gradient, and its group is none: never trained"):
        optimizers.check_liveness("full")
