"""Training itself: which step comes next, until one of the clocks of `train.stop` says that it is over."""

from __future__ import annotations

from collections import deque
from typing import Any

from ...compiler.spec import Spec
from ...compiler.spec.batches import BatchShape, span_at, tokens_before
from ...compiler.spec.clock import ClockKind, Moment
from ...compiler.spec.schedule import lr_scale
from ...compiler.spec.train import Start
from .cadence import PhaseFollower
from .latch import Latches
from .order import MAIN, StepOrder

ROUNDING, SNAPSHOTS = "quantization_aware", "snapshots"

Place = dict[str, Any]
"""Where the loader stood before a batch, and the batch's shape."""


class MainStage:
    """Orders the steps of training.

    Attributes:
        ended_by: the clock that ended it, or None while it runs.
        since: for the starts that were reached (ROUNDING, SNAPSHOTS), the first step at which they held.
        places: for each replay, by its index in `train.finish`, the last batches, as many as it asks for.
    """

    def __init__(self, spec: Spec) -> None:
        self._train = spec.train
        self._spans = spec.train.spans
        self._phases = PhaseFollower(spec)
        self._spec = spec
        self._latches = Latches(_starts(spec), spec.train)
        self._replays = {index: part for index, part in enumerate(spec.train.finish) if part.kind == "replay"}
        self.ended_by: ClockKind | None = None
        self.places: dict[int, deque[Place]] = {i: deque(maxlen=part.batches) for i, part in self._replays.items()}

    @property
    def since(self) -> dict[str, int]:
        """See the class."""
        return self._latches.since

    def moment(self, step: int, seconds: float) -> Moment:
        """When step `step`, counted from 0, begins."""
        return Moment(step, tokens_before(self._spans, step), seconds)

    def order(self, step: int, seconds: float) -> StepOrder | None:
        """The order for step `step`, counted from 0, which begins at `seconds`; None when training is over."""
        moment = self.moment(step, seconds)
        self.ended_by = self._train.stop.reached(moment)
        if self.ended_by is not None:
            return None
        scale = lr_scale(self._train.schedule, self._train.stop, moment)
        self._latches.update(moment, scale)
        mode = self._phases.mode_of(moment, scale)
        shape = span_at(self._spans, step).shape
        return StepOrder(MAIN, mode, shape, scale, seconds, step, ROUNDING in self.since)

    def keep(self, place: dict[str, Any], order: StepOrder, step: int) -> None:
        """Remember where the batch of a step was read, if a replay wants it."""
        for index, part in self._replays.items():
            if part.start is None or _replay(index) in self.since:
                self.places[index].append({"place": place, "shape": _plain(order.shape)})

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs; plain values."""
        return {
            "phase": self._phases.phase,
            "since": dict(self.since),
            "ended_by": self.ended_by,
            "places": {i: list(kept) for i, kept in self.places.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as `state` left it."""
        self._phases = PhaseFollower(self._spec, state["phase"])
        self._latches.since = dict(state["since"])
        self.ended_by = state["ended_by"]
        for index, kept in state["places"].items():
            self.places[int(index)].clear()
            self.places[int(index)].extend(kept)


def _replay(index: int) -> str:
    return f"replay.{index}"


def _starts(spec: Spec) -> dict[str, Start]:
    starts = {}
    if spec.train.quantization_aware is not None:
        starts[ROUNDING] = spec.train.quantization_aware.start
    loaded = spec.train.loaded
    if loaded is not None and loaded.start is not None:
        starts[SNAPSHOTS] = loaded.start
    parts = {_replay(index): part.start for index, part in enumerate(spec.train.finish) if part.start is not None}
    return starts | parts


def _plain(shape: BatchShape) -> list[int]:
    return [shape.sequence_length, shape.batch_tokens, shape.accumulation]
