"""What follows training: the last batches again, and distillation from the average."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...compiler.spec import Spec
from ...compiler.spec.batches import BatchShape
from ...compiler.spec.train import Finish
from .batch_source import BatchSource
from .main_stage import Place
from .order import DISTILL, REPLAY, StepOrder
from .states import load_states, states_of


class ReplayStage:
    """The batches at `places` again, in order, `epochs` times.

    Attributes:
        done: steps taken.
    """

    def __init__(self, part: Finish, spec: Spec, places: Sequence[Place], batches: BatchSource) -> None:
        self._part = part
        self._mode = spec.activities["replay"]
        self._places = places
        self._batches = batches
        self._after = batches.state()  # where the loader goes on afterwards
        self.done = 0

    @property
    def total(self) -> int:
        """Steps in all."""
        return len(self._places) * (self._part.epochs or 0)

    def order(self, seconds: float, momentum_step: int, *, rounded: bool) -> StepOrder | None:
        """The next step, with the loader at its batch; None when there is none left."""
        if self.done == self.total:
            self._batches.restore(self._after)
            return None
        place = self._places[self.done % len(self._places)]
        self._batches.restore(place["place"])
        shape = BatchShape(*place["shape"])
        return StepOrder(REPLAY, self._mode, shape, self._part.lr_scale, seconds, momentum_step, rounded)

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {"done": self.done, "after": self._after}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on as `state` left it."""
        self.done, self._after = state["done"], state["after"]


class DistillStage:
    """Steps on further batches towards a teacher that stands still.

    Attributes:
        done: steps taken.
    """

    def __init__(self, part: Finish, spec: Spec, module: nn.Module, teacher: Mapping[str, Tensor]) -> None:
        """`teacher`: weights by store name; stores that are not in it stay as they are in `module`."""
        self._part = part
        self._mode = spec.activities["distill"]
        self._shape = spec.train.shape
        self._module = module
        self._weights = {name: weight.clone() for name, weight in teacher.items()}
        self._teacher = _teacher(module, self._weights)
        self.done = 0

    @property
    def total(self) -> int:
        """Steps in all."""
        return self._part.steps or 0

    def order(self, seconds: float, momentum_step: int, *, rounded: bool) -> StepOrder | None:
        """The next step; None when there is none left."""
        if self.done == self.total:
            return None
        return StepOrder(DISTILL, self._mode, self._shape, self._part.lr_scale, seconds, momentum_step, rounded)

    def loss(self, inputs: Tensor, targets: Tensor, mode: str) -> Tensor:
        """alpha KL(teacher || student) + (1 - alpha) cross entropy, 0-dim."""
        part = self._part
        assert part.temperature is not None and part.alpha is not None
        with torch.no_grad():
            taught = self._teacher(inputs, mode=mode).float()
        logits = self._module(inputs, mode=mode).float()
        divergence = distillation_divergence(logits, taught, part.temperature)
        if part.mean_over == "sequences":
            divergence = divergence * inputs.shape[1]
        truth = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return part.alpha * divergence + (1.0 - part.alpha) * truth

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {"done": self.done, "teacher": self._weights, "states": states_of(self._teacher)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on as `state` left it."""
        self.done, self._weights = state["done"], state["teacher"]
        self._teacher = _teacher(self._module, self._weights)
        load_states(self._teacher, state["states"])


def distillation_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) of logits (B, T, V) at a temperature, times its square, the mean over tokens; 0-dim.

    The factor keeps gradients of one size over temperatures (Hinton, Vinyals and Dean 2015).
    """
    towards = F.log_softmax(teacher / temperature, dim=-1)
    away = F.log_softmax(student / temperature, dim=-1)
    divergence = F.kl_div(away.flatten(0, 1), towards.flatten(0, 1), reduction="batchmean", log_target=True)
    return divergence * temperature**2


def _teacher(module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """A copy of the module with these weights, in evaluation, without gradients."""
    teacher = copy.deepcopy(module).eval().requires_grad_(False)
    with torch.no_grad():
        for name, parameter in teacher.named_parameters():
            parameter.grad = None
            if name in weights:
                parameter.copy_(weights[name])
    return teacher
