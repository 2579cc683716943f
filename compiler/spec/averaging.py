"""What the recipe settles before a run: when averages and quantization-aware steps begin, and how many there are.

Where the wall clock decides, only the run can tell: CLOCK.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from math import ceil

from .clock import Moment, share_done
from .schedule import lr_scale
from .train import Average, Start, Train


class Unknown(Enum):
    """Not known before the run."""

    CLOCK = "the clock tells"


CLOCK = Unknown.CLOCK


def holds(start: Start, train: Train, moment: Moment, scale: float) -> bool:
    """Whether everything that `start` gives holds for a step that begins at `moment` with this multiplier.

    The multiplier counts from the end of the warm-up on, where it never rises again.
    """
    if start.step is not None and moment.step < start.step:
        return False
    if start.fraction is not None and not share_done(train.stop, train.schedule.clock, moment, start.fraction):
        return False
    return start.lr_scale is None or (moment.step >= train.schedule.warmup_steps and scale < start.lr_scale)


def static_scale(train: Train, step: int) -> float:
    """The multiplier of a step under a schedule that does not go by seconds."""
    assert train.schedule.clock != "seconds"
    return lr_scale(train.schedule, train.stop, train.moment(step))


def first_true(steps: range, condition: Callable[[int], bool]) -> int:
    """The first of the steps for which a condition holds that never ceases to hold, else their end."""
    return steps.start + bisect_left(steps, True, key=condition)


def first_step(start: Start, train: Train) -> int | Unknown | None:
    """The first step, counted from 0, at which `start` holds; None where none is."""
    total = train.known_steps
    by_clock = train.schedule.clock == "seconds" and (start.lr_scale is not None or start.fraction is not None)
    if by_clock or total is None:
        return CLOCK
    first = start.step or 0
    if start.fraction is not None:
        first = max(first, step_at_share(train, start.fraction))
    if start.lr_scale is not None:
        bound = start.lr_scale
        after = range(min(train.schedule.warmup_steps, total), total)
        first = max(first, first_true(after, lambda step: static_scale(train, step) < bound))
    return first if first < total else None


def step_at_share(train: Train, share: float) -> int:
    """The first step before which this share of training is done, by the schedule's clock of steps or tokens."""
    if train.schedule.clock == "steps":
        assert train.stop.steps is not None
        return ceil(Fraction(str(share)) * train.stop.steps)  # the decimal as written: 0.07 of 100 is 7, not 8
    assert train.schedule.clock == "tokens" and train.stop.tokens is not None
    return train.step_at_tokens(ceil(Fraction(str(share)) * train.stop.tokens))


def update_count(average: Average, train: Train) -> int | Unknown:
    """How many times the average takes in weights in training, without what follows it."""
    steps = train.known_steps
    if steps is None or train.stop.seconds is not None:
        return CLOCK
    if average.kind == "ema":
        return max(steps - (average.start_step or 0), 0)
    assert average.start is not None and average.every is not None
    first = first_step(average.start, train)
    if isinstance(first, Unknown):
        return first
    return 0 if first is None else steps // average.every - first // average.every


def starting_share(average: Average, train: Train) -> float | Unknown:
    """Share of the weights that an exponential average began with in its last value, before any debiasing."""
    assert average.kind == "ema" and average.decay is not None
    count = update_count(average, train)
    return count if isinstance(count, Unknown) else float(average.decay**count)


def quantization_aware_steps(train: Train) -> int | Unknown:
    """Steps that run on rounded weights; 0 without `quantization_aware`, and where its start is never reached."""
    if train.quantization_aware is None:
        return 0
    first, steps = first_step(train.quantization_aware.start, train), train.known_steps
    if first is None:
        return 0
    if isinstance(first, Unknown) or steps is None or train.stop.seconds is not None:
        return CLOCK
    return steps - first
