"""What is timed: one micro-batch of random tokens, forward and backward, and the update of the weights after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from loopspec.compiler.emit.compiled import compile_modes
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.optim.groups import GroupedOptimizers
from loopspec.runtime.train.precision import autocast_of

Forward = Callable[..., Tensor]
LR_SCALE = 0.01  # so that hundreds of steps on one batch leave the weights sane


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Random tokens on the device, each (sequences, length)."""

    tokens: Tensor
    targets: Tensor

    @classmethod
    def random(cls, plan: Plan, sequences: int, length: int, device: torch.device) -> MicroBatch:
        """Always the same tokens."""
        vocab_size = plan.spec.architecture.model.vocab_size
        generator = torch.Generator().manual_seed(0)
        drawn = torch.randint(vocab_size, (sequences, length + 1), generator=generator).to(device)
        return cls(drawn[:, :-1].contiguous(), drawn[:, 1:].contiguous())

    @property
    def token_count(self) -> int:
        """Tokens that are predicted."""
        return self.targets.numel()


class Workload:
    """A module with its optimizers, as the trainer would hold them."""

    def __init__(self, plan: Plan, device: torch.device) -> None:
        self.plan = plan
        self.device = device
        self.module = build_module(plan, plan.spec.train.seed).to(device).train()
        self.optimizers = GroupedOptimizers(plan, self.module)

    def compiled(self, backend: str) -> Forward:
        """The forward pass, compiled mode by mode as training does with `train.compile`."""
        return compile_modes(self.module, self.plan, dynamic=False, backend=backend)

    def pass_over(self, batch: MicroBatch, mode: str, forward: Forward | None = None) -> None:
        """Forward and backward; gradients add up."""
        with autocast_of(self.plan.spec.train.precision, self.device):
            loss: Tensor = (forward or self.module)(batch.tokens, batch.targets, mode=mode)
        loss.backward()  # type: ignore[no-untyped-call]
        self._wait()

    def update(self) -> None:
        """Clip and step, from the gradients that are there."""
        self.optimizers.clip(self.optimizers.grad_norm())
        self.optimizers.step(0, LR_SCALE)
        self._wait()

    def step(self, batch: MicroBatch, mode: str) -> None:
        """One whole step of one micro-batch."""
        self.optimizers.zero_grad()
        self.pass_over(batch, mode)
        self.update()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
