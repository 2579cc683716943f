"""One optimizer step: micro-batches forward and backward, gradients of all ranks together, clip, update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...compiler.plan import Plan
from ..optim.groups import GroupedOptimizers
from .batch_source import BatchSource
from .errors import TrainingError
from .nonfinite import first_nonfinite
from .nuclear_norm import NuclearNorm
from .order import StepOrder
from .precision import autocast_of
from .rounded import RoundedWeights
from .states import states_of
from .world import World

PRECISIONS = ("float32", "bfloat16")

Loss = Callable[[Tensor, Tensor, str], Tensor]
"""From inputs and targets (B, T) and a mode to a loss, 0-dim: its mean over the sequences."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """Figures of one step. On CUDA `loss` and `grad_norm` are still on the device: reading them waits for it."""

    loss: Tensor  # 0-dim, mean over the micro-batches of all ranks
    grad_norm: Tensor  # 0-dim, before clipping
    rounded: bool
    shrunk: int  # stores whose nuclear norm was lowered


class Stepper:
    """Runs optimizer steps of one module.

    Attributes:
        checks_each_step: whether `run` itself requires finite figures; otherwise its caller does.

    Raises:
        TrainingError: the precision is not supported.
    """

    def __init__(self, plan: Plan, module: nn.Module, batches: BatchSource, device: torch.device, world: World) -> None:
        self._train = plan.spec.train
        self._module = module
        self._batches = batches
        self._device = device
        self._world = world
        self.checks_each_step = device.type == "cpu"  # elsewhere it would wait for the device
        if self._train.precision not in PRECISIONS:
            # float16 would need loss scaling, and its products on CPU take 50 times as long as float32 ones.
            raise TrainingError(f"train.precision {self._train.precision} is not supported; use one of {PRECISIONS}")
        self.optimizers = GroupedOptimizers(plan, module)
        self._rounded = None if self._train.quantization_aware is None else RoundedWeights(plan.stores, module)
        self._nuclear = NuclearNorm(plan, self.optimizers.parameters)

    def run(self, step: int, order: StepOrder, loss_of: Loss, *, whole_loss: bool = True) -> StepResult:
        """Step `step`, counted from 0.

        Args:
            whole_loss: the loss is the model's own, with the parts of it that only training has.

        Raises:
            TrainingError: with `checks_each_step`, the loss or the gradient norm is not finite; no weight was changed.
            LivenessError: gradients reached other stores than the plan says.
        """
        self.optimizers.zero_grad()
        rounded = self._rounded.of_mode(order.mode) if self._rounded is not None and order.rounded else {}
        loss = self._accumulate(order, loss_of, rounded)
        self.optimizers.check_liveness(order.mode, exported_only=not whole_loss)
        self._world.sum_gradients(self.optimizers.parameters)
        grad_norm = self.optimizers.grad_norm()
        if self.checks_each_step:
            self.require_finite(step, order.mode, loss.item(), grad_norm.item())
        self.optimizers.clip(grad_norm)  # after the check: a norm that is not finite spreads to every gradient
        self.optimizers.step(order.momentum_step, order.lr_scale)
        shrunk = self._nuclear.apply(step + 1, order.lr_scale)
        return StepResult(loss, grad_norm, bool(rounded), shrunk)

    def require_finite(self, step: int, mode: str, loss: float, grad_norm: float) -> None:
        """Raise if one of a step's figures is not finite, naming the first store that is not."""
        if np.isfinite(loss) and np.isfinite(grad_norm):
            return
        where = first_nonfinite(self.optimizers.parameters, states_of(self._module))
        raise TrainingError(
            f"step {step + 1} (mode {mode}): loss is {loss:g}, gradient norm {grad_norm:g}; first that is not finite: "
            f"{where}. Lower the learning rate, set train.grad_clip, or lengthen train.schedule.warmup_steps"
        )

    def _accumulate(self, order: StepOrder, loss_of: Loss, rounded: Mapping[str, Tensor]) -> Tensor:
        """Mean loss over the micro-batches of all ranks; this rank's part of its gradients is left on the parameters.

        Stores in `rounded` have those values in the forward pass.
        """
        shape = order.shape
        total = torch.zeros((), device=self._device)
        for share in self._world.shares(shape.sequences, shape.accumulation):
            inputs, targets = self._batches.take(shape.sequences, shape.sequence_length, share.rows)
            if not share.sequences:
                continue
            weight = shape.accumulation * shape.sequences / share.sequences
            # Checkpointed activations are computed again in the backward pass, by the same rounded weights.
            with self._rounding(rounded):
                with autocast_of(self._train.precision, self._device):
                    loss = loss_of(self._to_device(inputs), self._to_device(targets), order.mode)
                assert loss.ndim == 0, f"mode {order.mode} gave a loss of shape {tuple(loss.shape)}"
                (loss / weight).backward()  # type: ignore[no-untyped-call]
            total += loss.detach().float() / weight
        return self._world.sum(total)

    def _rounding(self, rounded: Mapping[str, Tensor]) -> nullcontext[None]:
        if self._rounded is None:
            return nullcontext()
        return self._rounded.inside(rounded)  # type: ignore[return-value]

    def _to_device(self, array: NDArray[np.int64]) -> Tensor:
        tensor = torch.tensor(array)  # a copy: the loader may reuse or map its memory
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor
