"""What "GS v7" rounds to in training: codes -32..31, which its export, of -31..31, does not share."""

from __future__ import annotations

import torch
from torch import Tensor

from .fake_steps import quantiles

PERCENTILE = 0.9995


@torch.no_grad()
def gs7_rounded(weight: Tensor) -> Tensor:
    """`weight` (rows, cols) in float32, each row on steps of its 0.9995 quantile / 31, at least 1/31."""
    (limits,) = quantiles(weight.abs(), [PERCENTILE])
    steps = (limits / 31).clamp_min(1 / 31)
    return (weight / steps).round().clamp(-32, 31) * steps
