"""From a plan and its module to optimizers: each group has one, and every store is in one or is never trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import Plan, PlannedStore
from ...compiler.spec.optimizer import GroupOptimizer
from ...compiler.spec.train import Train
from .liveness import check_gradients
from .muon import Muon, muon_options
from .schedule import momentum_at


def parameters_of(plan: Plan, module: nn.Module) -> dict[str, nn.Parameter]:
    """The module's parameters by store name, in plan order; the plan and the module must agree on all of them."""
    found = dict(module.named_parameters())
    planned = {store.name: store.shape for store in plan.stores}
    assert len(planned) == len(plan.stores), "a store is planned twice"
    unplanned, missing = sorted(found.keys() - planned.keys()), sorted(planned.keys() - found.keys())
    assert not unplanned and not missing, f"module and plan differ: not planned {unplanned}, not emitted {missing}"
    for name, shape in planned.items():
        assert tuple(found[name].shape) == shape, f"{name}: planned {shape}, emitted {tuple(found[name].shape)}"
    return {name: found[name] for name in planned}


def stores_by_group(plan: Plan) -> dict[str, list[PlannedStore]]:
    """The stores that are trained, by optimizer group, in plan order.

    Raises:
        ValueError: a store's group has no optimizer in the spec, or Muon is given a store that is no matrix.
    """
    grouped: dict[str, list[PlannedStore]] = {}
    for store in plan.stores:
        if not store.trainable:
            continue
        optimizer = plan.spec.train.optimizer.get(store.group)
        if optimizer is None:
            given = ", ".join(plan.spec.train.optimizer) or "none"
            raise ValueError(
                f"store {store.name} is in group {store.group}, which no optimizer trains (given: {given}); "
                f"add train.optimizer.{store.group}"
            )
        if optimizer.kind == "muon" and len(store.shape) != 2:
            raise ValueError(
                f"store {store.name} has shape {store.shape}, but train.optimizer.{store.group} is muon, "
                "which takes matrices only; give that group adamw"
            )
        grouped.setdefault(store.group, []).append(store)
    return grouped


def build_optimizer(options: GroupOptimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer of one group; parameters must share a device."""
    if options.kind == "muon":
        return Muon(
            parameters,
            muon_options(options, parameters[0].device),
            lr=options.lr,
            momentum=momentum_at(options, 0),
            weight_decay=options.weight_decay,
        )
    assert options.betas is not None and options.eps is not None
    return torch.optim.AdamW(
        parameters,
        lr=options.lr,
        betas=options.betas,
        eps=options.eps,
        weight_decay=options.weight_decay,
        fused=True,
        foreach=False,
    )


class GroupedOptimizers:
    """All optimizers of a run, stepped together.

    Attributes:
        parameters: by store name, in plan order.
        trainable: those of them that an optimizer trains. The others want no gradient, and keep their values exactly.
        optimizers: by group name.
    """

    def __init__(self, plan: Plan, module: nn.Module) -> None:
        self._stores = plan.stores
        self._train: Train = plan.spec.train
        self.parameters = parameters_of(plan, module)
        for store in plan.stores:
            self.parameters[store.name].requires_grad_(store.trainable)
        self.trainable = {store.name: self.parameters[store.name] for store in plan.stores if store.trainable}
        self.optimizers = {
            group: build_optimizer(self._train.optimizer[group], [self.parameters[store.name] for store in stores])
            for group, stores in stores_by_group(plan).items()
        }
        held = [id(p) for o in self.optimizers.values() for g in o.param_groups for p in g["params"]]
        assert sorted(held) == sorted(id(p) for p in self.trainable.values()), "a store is in no or in two optimizers"

    def zero_grad(self) -> None:
        """Drop all gradients, so that a store that the next mode does not use has none."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def check_liveness(self, mode: str, *, exported_only: bool = False) -> None:
        """Require gradients on exactly the stores of `mode`, or on those of its logits; see `check_gradients`."""
        check_gradients(self._stores, self.parameters, mode, exported_only=exported_only)

    def grad_norm(self) -> Tensor:
        """Global norm of the gradients of the stores, 0-dim."""
        return nn.utils.get_total_norm([p.grad for p in self.parameters.values() if p.grad is not None])

    def clip(self, norm: Tensor) -> None:
        """Scale gradients, whose global norm is `norm`, to a norm of at most `train.grad_clip`, if given."""
        if self._train.grad_clip is not None:
            nn.utils.clip_grads_with_norm_(self.parameters.values(), self._train.grad_clip, norm)

    def step(self, step: int, scale: float) -> None:
        """Update every store that has a gradient, with Muon's momentum of step `step` (from 0) and `scale` times the
        learning rates.

        A store without gradient is left alone, or with `train.inactive: decay` only decays.
        """
        for name, optimizer in self.optimizers.items():
            options = self._train.optimizer[name]
            for group in optimizer.param_groups:
                group["lr"] = options.lr * scale
                if options.kind == "muon":
                    group["momentum"] = momentum_at(options, step)
            if self._train.inactive == "decay":
                _decay_inactive(optimizer)
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Optimizer states by group; loads with `torch.load(weights_only=True)`."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned for the same plan."""
        assert state.keys() == self.optimizers.keys(), (sorted(state), sorted(self.optimizers))
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[name])


@torch.no_grad()
def _decay_inactive(optimizer: torch.optim.Optimizer) -> None:
    """The decoupled decay alone, p <- p (1 - lr wd), for parameters without gradient."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
