"""Magnitude pruning."""

from __future__ import annotations

import numpy as np

from .arrays import Float32Array


def pruned_count(size: int, share: float) -> int:
    """How many of `size` weights become zero."""
    return int(share * size)


def prune_smallest(weights: Float32Array, share: float) -> Float32Array:
    """A copy in which that share of the store, the smallest magnitudes, is zero; of equal ones the first go."""
    kept = weights.copy()
    if count := pruned_count(weights.size, share):
        magnitudes = np.abs(weights).ravel()
        threshold = np.partition(magnitudes, count - 1)[count - 1]
        below = magnitudes < threshold
        below[np.flatnonzero(magnitudes == threshold)[: count - np.count_nonzero(below)]] = True
        kept.ravel()[below] = 0
    return kept
