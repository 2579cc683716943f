"""Numpy array types and the one gate through which weights enter a quantizer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import QuantizeError

Float32Array = npt.NDArray[np.float32]
Float16Array = npt.NDArray[np.float16]
Int8Array = npt.NDArray[np.int8]


def as_finite_float32(array: npt.NDArray[Any], store: str) -> Float32Array:
    """`array` as contiguous little-endian float32 of the same shape.

    Raises:
        QuantizeError: `array` is not floating point, has no elements, or holds a NaN, an infinity or a
            value past float32's range.
    """
    if not np.issubdtype(array.dtype, np.floating):
        raise QuantizeError(f"store {store}: its dtype is {array.dtype}; only floating-point weights are quantized")
    if array.size == 0:
        raise QuantizeError(f"store {store}: shape {array.shape} has no elements; remove the store from the model")
    with np.errstate(over="ignore"):  # a float64 past float32's range becomes an infinity, reported below
        weights = np.array(array, dtype="<f4", order="C")
    finite = np.isfinite(weights)
    if not finite.all():
        place = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), weights.shape))
        bad = int(weights.size - np.count_nonzero(finite))
        raise QuantizeError(
            f"store {store}: {bad} of {weights.size} weights are not finite, the first {array[place]!s} at {place}; "
            "the run diverged, pack an earlier checkpoint"
        )
    return weights
