"""Exclusive self-attention (XSA, parameter-golf PR 265): a head's output without its part along its own value."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def exclude_own_value(y: Tensor, v: Tensor) -> Tensor:
    """y (B, T, H, h) minus its projection on the same token's value v (B, T, Hk, h) of its key-value head."""
    batch, length, heads, width = y.shape
    groups = y.reshape(batch, length, v.size(2), heads // v.size(2), width)  # (B, T, Hk, g, h)
    direction = F.normalize(v, dim=-1).unsqueeze(3)  # (B, T, Hk, 1, h)
    exclusive = groups - (groups * direction).sum(dim=-1, keepdim=True) * direction
    return exclusive.reshape(batch, length, heads, width)
