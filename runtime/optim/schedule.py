"""What changes over steps in the optimizers beside the learning rate: Muon's momentum."""

from __future__ import annotations

from ...compiler.spec.optimizer import GroupOptimizer


def momentum_at(optimizer: GroupOptimizer, step: int) -> float:
    """Muon's momentum for optimizer step `step`, counted from 0: linear from `start`, then constant."""
    assert optimizer.momentum is not None, "only Muon has a momentum"
    warmup = optimizer.momentum_warmup
    if warmup is None or warmup.steps == 0:
        return optimizer.momentum
    fraction = min(step / warmup.steps, 1.0)
    return (1.0 - fraction) * warmup.start + fraction * optimizer.momentum
