"""U-Net skips that a learned gate blends in, instead of adding them (parameter-golf PR 1204)."""

from __future__ import annotations

import torch
from torch import Tensor


def gated_skip(x: Tensor, skip: Tensor, weight: Tensor, gate: Tensor) -> Tensor:
    """g x + (1 - g) weight * skip per channel, g = sigmoid(gate); x and skip (B, T, d), weight and gate (d,)."""
    share = torch.sigmoid(gate).to(x.dtype)
    return share * x + (1 - share) * (weight.to(x.dtype) * skip)
