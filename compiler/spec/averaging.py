"""What the schedule settles before a run: when averages and quantization-aware steps begin, and how many there are."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from math import ceil

from .schedule import lr_scale
from .train import Average, Schedule, Start, Train


def first_step(start: Start, schedule: Schedule, total_steps: int) -> int | None:
    """The first of the steps 0..total_steps-1 at which everything that `start` gives holds; None where none is.

    The multiplier counts from the end of the warm-up on, where it never rises again.
    """
    first = max(start.step or 0, ceil(Fraction(str(start.fraction or 0)) * total_steps))
    if start.lr_scale is not None:
        bound, risen = start.lr_scale, min(schedule.warmup_steps, total_steps)
        steps = range(risen, total_steps)
        below = bisect_left(steps, True, key=lambda step: lr_scale(schedule, total_steps, step) < bound)
        first = max(first, risen + below)
    return first if first < total_steps else None


def update_count(average: Average, train: Train) -> int:
    """How many times the average takes in weights over the whole run."""
    steps = train.stop.steps
    if average.kind == "ema":
        return max(steps - (average.start_step or 0), 0)
    assert average.start is not None and average.every is not None
    first = first_step(average.start, train.schedule, steps)
    return 0 if first is None else steps // average.every - first // average.every


def starting_share(average: Average, train: Train) -> float:
    """Share of the weights that an exponential average began with in its last value, before any debiasing."""
    assert average.kind == "ema" and average.decay is not None
    return float(average.decay ** update_count(average, train))


def quantization_aware_steps(train: Train) -> int:
    """Steps that run on rounded weights; 0 without `quantization_aware`, and where its start is never reached."""
    if train.quantization_aware is None:
        return 0
    first = first_step(train.quantization_aware.start, train.schedule, train.stop.steps)
    return 0 if first is None else train.stop.steps - first
