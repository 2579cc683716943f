"""What changes over steps in the optimizers: the learning-rate multiplier and Muon's momentum. Pure functions."""

from __future__ import annotations

from ...compiler.spec.train import GroupOptimizer, Schedule


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


def momentum_at(optimizer: GroupOptimizer, step: int) -> float:
    """Muon's momentum for optimizer step `step`, counted from 0: linear from `start`, then constant."""
    assert optimizer.momentum is not None, "only Muon has a momentum"
    warmup = optimizer.momentum_warmup
    if warmup is None or warmup.steps == 0:
        return optimizer.momentum
    fraction = min(step / warmup.steps, 1.0)
    return (1.0 - fraction) * warmup.start + fraction * optimizer.momentum
