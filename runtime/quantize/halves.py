"""The float16 and float32 schemes: the values themselves, little-endian."""

from __future__ import annotations

import numpy as np

from .arrays import Float16Array, Float32Array
from .errors import QuantizeError


def to_halves(weights: Float32Array, store: str) -> Float16Array:
    """`weights` rounded to float16 of the same shape, half to even; values below 2^-25 become 0.

    Raises:
        QuantizeError: a weight rounds past float16's largest value, 65,504.
    """
    with np.errstate(over="ignore"):
        halves = weights.astype("<f2")
    finite = np.isfinite(halves)
    if not finite.all():
        place = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), weights.shape))
        raise QuantizeError(
            f"store {store}: weight {weights[place]:.6g} at {place} is past float16's 65,504; store it as float32"
        )
    return halves
