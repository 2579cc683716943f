"""A low-rank residual step between two loops."""

from __future__ import annotations

from torch import Tensor

from ..constants import FLOAT32_EPS
from .low_rank import low_rank
from .norm import rms_norm


def bottleneck(x: Tensor, down: Tensor, up: Tensor, *, eps: float = FLOAT32_EPS) -> Tensor:
    """x + (rms_norm(x) down^T) up^T; x (B, T, d), down (r, d), up (d, r)."""
    return x + low_rank(rms_norm(x, eps=eps), down, up)
