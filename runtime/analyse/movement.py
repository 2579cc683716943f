"""A few optimizer steps of each trained mode, with the norms of every store's gradient and update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from ...compiler.plan import Plan
from ...compiler.spec import Spec
from ...compiler.spec.averaging import static_scale
from ..optim.groups import GroupedOptimizers
from ..train.errors import TrainingError
from ..train.nonfinite import first_nonfinite
from .batches import Batch
from .records import Moved, Step

FURTHER_ROUNDS = 2
"""Rounds added while a store that the plan trains has had no gradient: behind a zero it comes a step later."""


class Mover:
    """Steps a module with the spec's own optimizers, at the learning rates that follow the warm-up.

    One micro-batch a step, in float32, on the weights as they are: neither accumulated nor rounded.
    """

    def __init__(self, plan: Plan, module: nn.Module, batches: Iterator[Batch]) -> None:
        train = plan.spec.train
        self._plan, self._module, self._batches = plan, module, batches
        self._optimizers = GroupedOptimizers(plan, module)
        self._repeated = _repeated_modes(plan.spec)
        at, last = train.schedule.warmup_steps, train.known_steps
        self._at = at if last is None else min(at, last - 1)
        self._scale = 1.0 if train.schedule.clock == "seconds" else static_scale(train, self._at)

    def run(self, modes: tuple[str, ...], rounds: int, done: Callable[[Step, int], None]) -> tuple[Step, ...]:
        """`rounds` steps of each mode in turn, and a few more while some store that should be reached is not.

        In those a mode that the cadence repeats runs twice: a skip trace fades only then, and its decay learns.

        Raises:
            TrainingError: a loss or a gradient is not finite.
        """
        steps: list[Step] = []
        for number in range(rounds + FURTHER_ROUNDS):
            if number >= rounds and not self._waiting(modes, steps):
                break
            for mode in modes:
                for _ in range(2 if number >= rounds and mode in self._repeated else 1):
                    steps.append(self._step(mode))
                    done(steps[-1], number)
        return tuple(steps)

    def _waiting(self, modes: tuple[str, ...], steps: list[Step]) -> bool:
        reached = {name for step in steps for name, moved in step.stores.items() if moved.alive}
        planned = {store.name for store in self._plan.stores if store.trainable and {*store.gradient_modes} & {*modes}}
        return not planned <= reached

    def _step(self, mode: str) -> Step:
        optimizers, module = self._optimizers, self._module.train()
        optimizers.zero_grad()
        tokens, targets = next(self._batches)
        loss: Tensor = module(tokens, targets, mode=mode)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = optimizers.grad_norm()
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            where = first_nonfinite(optimizers.parameters)
            raise TrainingError(
                f"mode {mode}: loss is {loss.item():g}, gradient norm {norm.item():g}; first that is not finite: "
                f"{where}. Lower the learning rates or set train.grad_clip, for example with --set"
            )
        gradients = {name: _norm(value.grad) for name, value in optimizers.trainable.items() if value.grad is not None}
        before = {name: value.detach().clone() for name, value in optimizers.trainable.items()}
        optimizers.clip(norm)
        optimizers.step(self._at, self._scale)
        return Step(mode, loss.item(), self._moved(before, gradients))

    def _moved(self, before: Mapping[str, Tensor], gradients: Mapping[str, float]) -> dict[str, Moved]:
        after = self._optimizers.trainable
        return {
            name: Moved(gradients.get(name), _norm(after[name].detach().float() - value.float()))
            for name, value in before.items()
        }


def _repeated_modes(spec: Spec) -> set[str]:
    """Modes that some phase may run twice in a row."""
    found: set[str] = set()
    for phase in spec.cadence:
        if len(phase.modes) < 2:
            continue
        following = (*phase.pattern[1:], *phase.pattern[:1])
        found |= {mode for mode, then in zip(phase.pattern, following, strict=True) if mode == then}
        found |= set(phase.modes) if phase.sample is not None else set()
    return found


def _norm(value: Tensor) -> float:
    return float(torch.linalg.vector_norm(value.detach().float()))
