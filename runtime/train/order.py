"""What one optimizer step is told to do."""

from __future__ import annotations

from dataclasses import dataclass

from ...compiler.spec.batches import BatchShape

MAIN, REPLAY, DISTILL = "main", "replay", "distill"


@dataclass(frozen=True, slots=True)
class StepOrder:
    """One step: where it belongs, what it runs, on how much, and how far it may go.

    Attributes:
        stage: MAIN, REPLAY or DISTILL.
        seconds: training clock when it begins; the schedule of a run by the wall clock follows from these.
        momentum_step: the step, counted from 0, whose momentum Muon takes; it rises no further after training.
        rounded: whether weights are rounded as the artifact will round them.
    """

    stage: str
    mode: str
    shape: BatchShape
    lr_scale: float
    seconds: float
    momentum_step: int
    rounded: bool = False
