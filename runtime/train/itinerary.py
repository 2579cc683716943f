"""The stages of a run in order: training, then what `train.finish` lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from ...compiler.plan import Plan
from .batch_source import BatchSource
from .finish_stages import DistillStage, ReplayStage
from .main_stage import ROUNDING, MainStage
from .order import MAIN, StepOrder
from .step import Loss

Teacher = Callable[[], Mapping[str, Tensor]]
"""The average's weights as they stand, by store name."""


class Itinerary:
    """Says what each step of a run does, and with which loss.

    Attributes:
        main: training itself.
    """

    def __init__(self, plan: Plan, module: nn.Module, forward: Loss, batches: BatchSource, teacher: Teacher) -> None:
        """`forward`: the module's own loss."""
        self.main = MainStage(plan.spec)
        self._spec = plan.spec
        self._module = module
        self._forward = forward
        self._batches = batches
        self._teacher = teacher
        self._index = 0  # 0: training, n: the n-th part of train.finish, beyond it: over
        self._stage: ReplayStage | DistillStage | None = None
        self._main_steps = 0

    @property
    def in_training(self) -> bool:
        """Whether the run is in training itself, and not in what follows it or at its end."""
        return self._index == 0

    @property
    def over(self) -> bool:
        """Whether the run has come to its end."""
        return self._index > len(self._spec.train.finish)

    def order(self, step: int, seconds: float) -> StepOrder | None:
        """The order for step `step`, counted from 0, that begins at `seconds`; None when the run is over."""
        if self._index == 0:
            order = self.main.order(step, seconds)
            if order is not None:
                return order
            self._main_steps = step
            self._enter(1)
        while self._stage is not None:
            rounded = ROUNDING in self.main.since
            order = self._stage.order(seconds, max(self._main_steps - 1, 0), rounded=rounded)
            if order is not None:
                return order
            self._enter(self._index + 1)
        return None

    def loss(self) -> tuple[Loss, bool]:
        """The loss of the step that was ordered last, and whether it is the model's own."""
        if isinstance(self._stage, DistillStage):
            return self._stage.loss, False
        return self._forward, True

    def place(self) -> dict[str, Any] | None:
        """Where the loader stands before a step, if it will be asked for."""
        return self._batches.state() if self._index == 0 and self.main.places else None

    def done(self, order: StepOrder, place: dict[str, Any] | None, step: int) -> None:
        """Step `step`, counted from 0, was taken; `place` is from before it."""
        if order.stage != MAIN:
            assert self._stage is not None
            self._stage.done += 1
        elif place is not None:
            self.main.keep(place, order, step)

    def steps_ahead(self) -> int:
        """Steps of `train.finish` that are not taken yet, where training leaves the batches that they ask for."""
        parts = self._spec.train.finish
        ahead = sum(part.step_count for part in parts[self._index :])
        return ahead + (0 if self._stage is None else self._stage.total - self._stage.done)

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs; plain values, and the teacher's weights."""
        stage = None if self._stage is None else self._stage.state()
        return {"index": self._index, "main_steps": self._main_steps, "main": self.main.state(), "stage": stage}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on as `state` left it; the loader is at its place already."""
        self.main.restore(state["main"])
        self._main_steps = state["main_steps"]
        if state["index"]:
            self._enter(state["index"])
        if self._stage is not None:
            self._stage.restore(state["stage"])

    def _enter(self, index: int) -> None:
        self._index, self._stage = index, None
        if index > len(self._spec.train.finish):
            return
        part = self._spec.train.finish[index - 1]
        if part.kind == "replay":
            self._stage = ReplayStage(part, self._spec, tuple(self.main.places[index - 1]), self._batches)
        else:
            self._stage = DistillStage(part, self._spec, self._module, self._teacher())
