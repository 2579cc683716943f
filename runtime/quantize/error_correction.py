"""A low-rank term that makes up for the error of rounding (LQER, arXiv 2402.02446)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import Float16Array, Float32Array, Int8Array
from .statistics import StoreStatistics
from .storage import LEFT, LEFT_STEPS, RIGHT, RIGHT_STEPS

Float64Array = npt.NDArray[np.float64]

LEVELS = 127
LEAST_WEIGHT = 1e-3
"""Least weight of a column, as a share of their root mean square: columns that no input reaches cannot be divided by
theirs."""


def error_parts(errors: Float32Array, rank: int, statistics: StoreStatistics | None) -> dict[str, bytes]:
    """Parts of left (rows, rank) @ right (rank, cols), near the first terms of the singular values of `errors`.

    `errors` (rows, cols) is weights minus decoded codes; with statistics its columns are weighted by the root of the
    diagonal of their second moments, so that they count as much as the loss feels them.
    """
    weights = column_weights(errors.shape[1], statistics)
    left, sizes, right = np.linalg.svd(errors.astype(np.float64) * weights, full_matrices=False)
    scaled = sizes[:rank, None] * right[:rank] / weights
    left_codes, left_steps = _int8_rows(left[:, :rank])
    right_codes, right_steps = _int8_rows(scaled)
    return {
        LEFT: left_codes.tobytes(),
        LEFT_STEPS: left_steps.astype("<f2").tobytes(),
        RIGHT: right_codes.tobytes(),
        RIGHT_STEPS: right_steps.astype("<f2").tobytes(),
    }


def column_weights(cols: int, statistics: StoreStatistics | None) -> Float64Array:
    """(cols,), ones without statistics."""
    if statistics is None or not statistics.inputs.any():
        return np.ones(cols)
    moments = statistics.weighted if statistics.weighted.any() else statistics.inputs  # alike but for a factor
    diagonal = np.diagonal(moments).astype(np.float64).clip(min=0)
    weights: Float64Array = np.sqrt(np.maximum(diagonal, LEAST_WEIGHT**2 * diagonal.mean()))
    return weights


def _int8_rows(matrix: Float64Array) -> tuple[Int8Array, Float16Array]:
    """int8 codes (rows, cols) and float16 steps (rows,), to nearest at the row's largest magnitude."""
    steps = (np.abs(matrix).max(axis=1) / LEVELS).astype(np.float16)
    divisors = np.where(steps == 0, 1, steps.astype(np.float64))
    codes: Int8Array = np.rint(matrix / divisors[:, None]).clip(-LEVELS, LEVELS).astype(np.int8)
    return codes, steps
