"""Quantiles of float32 rows by linear interpolation, the same bits as torch.quantile."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from .arrays import Float32Array


def place_of(share: float, count: int) -> tuple[int, int, float]:
    """Ranks below and above the quantile `share` of `count` sorted values, and how far it lies between the two.

    In float32, as torch.quantile has it: from 2^24 values on a rank is rounded to an even one, or coarser.
    """
    rank = np.float32(share) * np.float32(count - 1)
    below = min(int(rank), count - 1)
    return below, min(ceil(rank), count - 1), float(rank - np.float32(below))


def interpolate(low: Float32Array, high: Float32Array, weight: float) -> Float32Array:
    """torch.lerp: one fused multiply-add, from the nearer end.

    The product of two float32 numbers is exact in float64; rounding its sum twice meets another float32 than a fused
    operation about once in 2^29.
    """
    if weight < 0.5:
        factor, start = np.float64(weight), low
    else:
        factor, start = np.float64(np.float32(weight) - np.float32(1)), high
    fused: Float32Array = (factor * (high - low).astype(np.float64) + start).astype(np.float32)
    return fused


def row_quantiles(rows: Float32Array, shares: Sequence[float]) -> Float32Array:
    """float32 (len(shares), rows) of `rows` (rows, cols)."""
    places = [place_of(share, rows.shape[1]) for share in shares]
    ranks = sorted({rank for below, above, _ in places for rank in (below, above)})
    ordered = np.partition(rows, ranks, axis=1)
    return np.stack([interpolate(ordered[:, below], ordered[:, above], weight) for below, above, weight in places])
