"""GPTQ (arXiv 2210.17323): columns are rounded one by one, and those after make up for each one's error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import Float32Array, Int8Array
from .factor import Factor

BLOCK = 64
"""Columns whose errors reach the columns after the block in one product; changes no more than the last bits."""


def round_by(
    factor: Factor,
    weights: Float32Array,
    steps: Float32Array,
    levels: int,
    kept: npt.NDArray[np.bool_] | None = None,
) -> tuple[Int8Array, int]:
    """Codes (rows, cols) on `steps`, and how many were clamped to -levels..levels.

    float32, as the codes' few bits ask for no more; columns lie contiguous. A dead column's weights, which no input
    reaches, become zero, as in the paper's code. A row of zeros may have a step of zero.

    Args:
        kept: bool (rows, cols); the other weights become zero, and later columns make up for that, too (SparseGPT,
            arXiv 2301.00774).
    """
    order = factor.order
    left = np.ascontiguousarray(weights.T)[order]  # (cols, rows), what is left to round
    left[factor.dead[order]] = 0
    grid = np.broadcast_to(steps, weights.shape).T
    codes = np.empty(left.shape, dtype=np.int8)
    spread = factor.spread
    held = None if kept is None else np.ascontiguousarray(kept.T)[order]
    clamped = 0
    for start in range(0, len(order), BLOCK):
        end = min(start + BLOCK, len(order))
        chosen = _safe(grid[order[start:end]])
        if held is None:
            within = np.broadcast_to(True, left[start:end].shape)
        else:
            within = held[start:end]
        triangle = spread[start:end, start:end]
        clamped += _round_block(left[start:end], chosen, triangle, levels, codes[start:end], within)
        left[end:] -= spread[start:end, end:].T @ left[start:end]
    restored = np.empty_like(codes)
    restored[order] = codes
    return np.ascontiguousarray(restored.T), clamped


def nearest_codes(weights: Float32Array, steps: Float32Array, levels: int) -> Int8Array:
    """Codes (rows, cols) by rounding to nearest, half to even, clamped to -levels..levels."""
    codes: Int8Array = np.rint(weights / _safe(steps)).clip(-levels, levels).astype(np.int8)
    return codes


def _round_block(
    left: Float32Array,
    steps: Float32Array,
    spread: Float32Array,
    levels: int,
    codes: Int8Array,
    kept: npt.NDArray[np.bool_],
) -> int:
    """Rounds columns left (n, rows), in place of which their errors are left; fills codes, and counts clamped ones."""
    clamped = 0
    for column, step in enumerate(steps):
        exact = np.rint(left[column] / step) * kept[column]
        bounded = exact.clip(-levels, levels)
        clamped += int(np.count_nonzero(exact != bounded))
        codes[column] = bounded
        left[column] -= bounded * step
        left[column + 1 :] -= np.outer(spread[column, column + 1 :], left[column])
    return clamped


def _safe(steps: npt.NDArray[np.float32]) -> Float32Array:
    """Steps to divide by; a step of zero, which only a row of zeros may have, becomes one."""
    safe: Float32Array = np.where(steps == 0, np.float32(1), steps).astype(np.float32)
    return safe
