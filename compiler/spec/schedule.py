"""The learning-rate multiplier. Pure arithmetic, so that a plan knows it before the run, except by the wall clock."""

from __future__ import annotations

from .clock import Moment, Stop
from .train import Schedule


def lr_scale(schedule: Schedule, stop: Stop, moment: Moment) -> float:
    """Multiplier of every group's learning rate for the step that begins at `moment`.

    Warm-up is (step + 1) / warmup_steps, so that the first step moves. Warm-down falls linearly from 1 and reaches
    `floor` where the clock of the schedule reaches its limit, so that the last step itself still runs above it. By
    `seconds` with `warmdown_steps` it takes as long as so many steps took on average so far, as in the challenge's own
    scripts. It does not begin before `hold_steps` are done. Where it overlaps the warm-up, the lower one holds.
    """
    up = (moment.step + 1) / schedule.warmup_steps if moment.step < schedule.warmup_steps else 1.0
    return min(up, _down(schedule, stop, moment))


def _down(schedule: Schedule, stop: Stop, moment: Moment) -> float:
    if moment.step < schedule.hold_steps:
        return 1.0
    remaining, length = _remaining(schedule, stop, moment)
    if remaining >= length:
        return 1.0
    return schedule.floor + (1.0 - schedule.floor) * max(remaining, 0) / length


def _remaining(schedule: Schedule, stop: Stop, moment: Moment) -> tuple[float, float]:
    """What is left of the run, and how much of it the warm-down takes, by the clock of the schedule."""
    limit = stop.limit(schedule.clock)
    assert limit is not None, f"a schedule by {schedule.clock} without train.stop.{schedule.clock}"  # LS550
    match schedule.clock:
        case "steps":
            return limit - moment.step, schedule.warmdown_steps
        case "tokens":
            return limit - moment.tokens, schedule.warmdown_tokens
        case "seconds":
            pace = schedule.warmdown_steps * moment.seconds / max(moment.step, 1)
            return limit - moment.seconds, schedule.warmdown_seconds or pace
