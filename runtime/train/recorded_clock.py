"""The training clock of a recorded run, so that a run by the wall clock can be repeated exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import MetricsError
from .metrics import read_records


def recorded_clock(metrics: Path) -> tuple[float, ...]:
    """The seconds at which each step of a run began.

    Raises:
        MetricsError: there is no such log, or it lacks a step.
    """
    try:
        records = read_records(metrics)
    except OSError as error:
        raise MetricsError(f"{metrics} cannot be read ({error.strerror}); give the folder of a trained run") from error
    steps = [record for record in records if record["kind"] == "train"]
    began: dict[int, float] = {r["step"] - 1: r["began_seconds"] for r in steps if "began_seconds" in r}
    if not steps or any(step not in began for step in range(len(steps))):
        raise MetricsError(f"{metrics} does not tell when every step began; it is of an older version, or not whole")
    return tuple(began[step] for step in range(len(steps)))


def clock_of(began: Sequence[float]) -> Callable[[int], float]:
    """When a step, counted from 0, begins; without end after the last one.

    When a run looked at its clock for the last time is in no record: it may be long after its last step was handed to a
    device.
    """
    return lambda step: began[step] if step < len(began) else math.inf
