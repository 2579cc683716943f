"""Rounding to nearest on a symmetric grid."""

from __future__ import annotations

import numpy as np

from .arrays import Float32Array, Int8Array


def nearest(values: Float32Array, steps: Float32Array, levels: Float32Array) -> Int8Array:
    """Codes (units, width) of values (units, width), half to even, clamped; steps and levels are (units,)."""
    divisors = np.where(steps == 0, np.float32(1), steps)[:, None]
    codes: Int8Array = np.rint(values / divisors).clip(-levels[:, None], levels[:, None]).astype(np.int8)
    return codes


def signs(values: Float32Array) -> Int8Array:
    """1 and -1; 1 for a zero, as in XNOR-Net (arXiv 1603.05279)."""
    return np.where(values >= 0, np.int8(1), np.int8(-1))
