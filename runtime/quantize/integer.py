"""The symmetric integer grid: one float16 step a row, codes -levels..levels kept one byte a symbol."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Clip
from .arrays import Float16Array, Float32Array, Int8Array, as_finite_float32
from .errors import QuantizeError

MIN_BITS, MAX_BITS = 2, 8
SMALLEST_STEP = np.float16(2.0**-24)
"""The smallest positive float16. A row that is not zero never gets a smaller step, so it is never silently zeroed."""


@dataclass(frozen=True, slots=True)
class Codes:
    """A quantized matrix.

    Attributes:
        codes: int8 (rows, cols), each in -levels..levels.
        steps: float16 (rows,), not negative; 0 marks a row of zeros.
    """

    codes: Int8Array
    steps: Float16Array


def row_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """(rows, cols) of a store: the first dimension times the rest; 0-D and 1-D stores are one row."""
    return (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))


def quantize_rows(weights: Float32Array, bits: int, clip: Clip, store: str = "weights") -> Codes:
    """Rounds each row of `weights` (rows, cols) to the grid of its own step, half to even.

    The step is max|row| / levels (`absmax`), or k * std(row) / levels (`std`; population deviation about the row's
    mean, in float64) with codes clamped to -levels..levels. Rounding uses the float16 step as it is stored, so
    `dequantize` reproduces what was minimised. A step below float16's range becomes SMALLEST_STEP; a row of
    zeros gets step 0 and decodes to exact zeros.

    Raises:
        QuantizeError: bits outside 2..8, `clip` is malformed, weights that are not finite, a step past 65,504, or a
            `std` row whose mean lies outside its own grid (a constant row of ones, say), which would be clipped away.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise QuantizeError(f"store {store}: {bits} bits; the integer scheme takes {MIN_BITS} to {MAX_BITS}")
    if weights.ndim != 2:
        raise QuantizeError(f"store {store}: rows need a matrix, this has shape {weights.shape}")
    weights = as_finite_float32(weights, store)
    levels = 2 ** (bits - 1) - 1
    steps = _stored_steps(_row_limits(weights, clip, store) / levels, weights, store)
    divisors = np.where(steps == 0, np.float32(1), steps.astype(np.float32))
    codes = np.rint(weights / divisors[:, None]).clip(-levels, levels).astype(np.int8)
    return Codes(codes, steps)


def dequantize(codes: Codes) -> Float32Array:
    """float32 (rows, cols): each code times its row's step."""
    values: Float32Array = codes.codes.astype(np.float32) * codes.steps.astype(np.float32)[:, None]
    return values


def _row_limits(weights: Float32Array, clip: Clip, store: str) -> npt.NDArray[np.float64]:
    """Where each row's grid ends, (rows,)."""
    if clip.kind == "absmax":
        largest: npt.NDArray[np.float64] = np.abs(weights).max(axis=1).astype(np.float64)
        return largest
    if clip.k is None or not 0 < clip.k < np.inf:
        raise QuantizeError(f"store {store}: a std clip needs a positive number of deviations, k is {clip.k}")
    limits: npt.NDArray[np.float64] = clip.k * weights.std(axis=1, dtype=np.float64)
    means = weights.mean(axis=1, dtype=np.float64)
    outside = np.abs(means) > limits
    if outside.any():
        row = int(outside.argmax())
        raise QuantizeError(
            f"store {store}, row {row}: its mean {means[row]:.4g} lies outside the grid, which ends at {clip.k:g} "
            f"standard deviations = {limits[row]:.4g}; give this store an absmax clip or float16"
        )
    return limits


def _stored_steps(steps: npt.NDArray[np.float64], weights: Float32Array, store: str) -> Float16Array:
    """The steps as stored: float16, within its range, 0 exactly for the rows of zeros."""
    with np.errstate(over="ignore"):
        stored = steps.astype(np.float16)
    if not np.isfinite(stored).all():
        row = int(np.argmin(np.isfinite(stored)))
        raise QuantizeError(
            f"store {store}, row {row}: its step {steps[row]:.4g} is past float16's 65,504; use more bits or float32"
        )
    stored = np.maximum(stored, SMALLEST_STEP)
    stored[~weights.any(axis=1)] = 0
    return stored
