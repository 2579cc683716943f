"""The learning-rate multiplier over optimizer steps. Pure arithmetic, so that a plan knows it before the run."""

from __future__ import annotations

from .train import Schedule


def lr_scale(schedule: Schedule, total_steps: int, step: int) -> float:
    """Multiplier of every group's learning rate for optimizer step `step`, counted from 0.

    Warm-up is (step + 1) / warmup_steps, so that the first step moves. Warm-down falls linearly from 1 and reaches
    `floor` at `total_steps`, the end of the last step, as in the challenge's own scripts in iteration mode: the last
    step itself still runs at floor + (1 - floor) / warmdown_steps. Where the two overlap, the lower one holds.
    """
    assert 0 <= step <= total_steps, (step, total_steps)
    up = (step + 1) / schedule.warmup_steps if step < schedule.warmup_steps else 1.0
    remaining = total_steps - step
    down = 1.0
    if remaining < schedule.warmdown_steps:
        down = schedule.floor + (1.0 - schedule.floor) * remaining / schedule.warmdown_steps
    return min(up, down)
