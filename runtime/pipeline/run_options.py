"""How a run is carried out: what is not in its spec."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Merge = Literal["first", "mean", "influence"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of one process that trains.

    Attributes:
        device: auto, cpu or cuda.
        clock_from: a run folder whose recorded clock this run goes by, so that a run by the wall clock repeats.
        warm_start: a run folder whose weights this run starts from.
        merge: how blocks of that run which are one block here come together.
        tensorboard: mirror the metrics for TensorBoard.
    """

    device: str = "auto"
    resume: bool = False
    clock_from: Path | None = None
    warm_start: Path | None = None
    merge: Merge = "mean"
    tensorboard: bool = False
