"""One optimizer step: micro-batches forward and backward, clip, update."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...compiler.plan import Plan
from ...compiler.spec.averaging import quantization_aware_steps
from ..optim.groups import GroupedOptimizers
from .batch_source import BatchSource
from .errors import TrainingError
from .nonfinite import first_nonfinite
from .precision import autocast_of
from .rounded import RoundedWeights
from .states import states_of

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class StepResult:
    """Figures of one step. On CUDA `loss` and `grad_norm` are still on the device: reading them waits for it."""

    mode: str
    loss: Tensor  # 0-dim, mean over the micro-batches
    grad_norm: Tensor  # 0-dim, before clipping
    lr_scale: float
    tokens: int
    quantization_aware: bool = False


class Stepper:
    """Runs optimizer steps of one module.

    Attributes:
        checks_each_step: whether `run` itself requires finite figures; otherwise its caller does.

    Raises:
        TrainingError: the precision is not supported.
    """

    def __init__(self, plan: Plan, module: nn.Module, batches: BatchSource, device: torch.device) -> None:
        self._train = plan.spec.train
        self._module = module
        self._batches = batches
        self._device = device
        self.checks_each_step = device.type == "cpu"  # elsewhere it would wait for the device
        if self._train.precision not in PRECISIONS:
            # float16 would need loss scaling, and its products on CPU take 50 times as long as float32 ones.
            raise TrainingError(f"train.precision {self._train.precision} is not supported; use one of {PRECISIONS}")
        self.optimizers = GroupedOptimizers(plan, module)
        self._rounded = None if self._train.quantization_aware is None else RoundedWeights(plan.stores, module)
        self._rounded_from = self._train.stop.steps - quantization_aware_steps(self._train)

    def run(self, step: int, mode: str) -> StepResult:
        """Step `step`, counted from 0, in `mode`.

        Raises:
            TrainingError: with `checks_each_step`, the loss or the gradient norm is not finite; no weight was changed.
            LivenessError: gradients reached other stores than the plan says.
        """
        self.optimizers.zero_grad()
        rounded = self._rounded.of_mode(mode) if self._rounded is not None and step >= self._rounded_from else {}
        loss, tokens = self._accumulate(mode, rounded)
        self.optimizers.check_liveness(mode)
        grad_norm = self.optimizers.grad_norm()
        if self.checks_each_step:
            self.require_finite(step, mode, loss.item(), grad_norm.item())
        self.optimizers.clip(grad_norm)  # after the check: a norm that is not finite spreads to every gradient
        lr_scale = self.optimizers.step(step)
        return StepResult(mode, loss, grad_norm, lr_scale, tokens, quantization_aware=bool(rounded))

    def require_finite(self, step: int, mode: str, loss: float, grad_norm: float) -> None:
        """Raise if one of a step's figures is not finite, naming the first store that is not."""
        if np.isfinite(loss) and np.isfinite(grad_norm):
            return
        where = first_nonfinite(self.optimizers.parameters, states_of(self._module))
        raise TrainingError(
            f"step {step + 1} (mode {mode}): loss is {loss:g}, gradient norm {grad_norm:g}; first that is not finite: "
            f"{where}. Lower the learning rate, set train.grad_clip, or lengthen train.schedule.warmup_steps"
        )

    def _accumulate(self, mode: str, rounded: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        """Mean loss over the micro-batches, with its gradients left on the parameters, and the tokens seen.

        Stores in `rounded` have those values in the forward pass.
        """
        count = self._train.accumulation
        total = torch.zeros((), device=self._device)
        tokens = 0
        for _ in range(count):
            inputs, targets = self._batches.next()
            with autocast_of(self._train.precision, self._device):
                loss = self._forward(self._to_device(inputs), self._to_device(targets), mode, rounded)
            assert loss.ndim == 0, f"mode {mode} gave a loss of shape {tuple(loss.shape)}"
            (loss / count).backward()  # type: ignore[no-untyped-call]
            total += loss.detach().float() / count
            tokens += inputs.size
        return total, tokens

    def _forward(self, inputs: Tensor, targets: Tensor, mode: str, rounded: Mapping[str, Tensor]) -> Tensor:
        with nullcontext() if self._rounded is None else self._rounded.inside(rounded):
            loss: Tensor = self._module(inputs, targets, mode=mode)
        return loss

    def _to_device(self, array: NDArray[np.int64]) -> Tensor:
        tensor = torch.tensor(array)  # a copy: the loader may reuse or map its memory
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor
