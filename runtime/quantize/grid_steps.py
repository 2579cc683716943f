"""Steps of the `grid` layout: base * 2^((row + column) / 16), the same bits on every machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import Float32Array, Int8Array

SIXTEENTHS: Float32Array = np.array(
    [
        1.0,
        1.0442737,
        1.0905077,
        1.1387886,
        1.1892071,
        1.2418578,
        1.2968396,
        1.3542556,
        1.4142135,
        1.4768262,
        1.5422108,
        1.6104903,
        1.6817929,
        1.7562522,
        1.8340081,
        1.9152066,
    ],
    np.float32,
)
"""2^(k/16) for k of 0 to 15, rounded to float32; written out, since powers differ between libraries."""


def powers(exponents: npt.NDArray[np.integer]) -> Float32Array:
    """float32 2^(exponents / 16), of the same shape."""
    whole, part = np.divmod(exponents.astype(np.int32), 16)
    return np.ldexp(SIXTEENTHS[part], whole)


def grid_steps(base: np.float32, rows: Int8Array, columns: Int8Array) -> Float32Array:
    """float32 (rows, cols): base times the power of the sum of the exponents (rows,) and (cols,), rounded once."""
    sums = np.arange(-256, 256)
    with np.errstate(over="ignore"):  # an infinite step is the caller's to refuse
        by_sum: Float32Array = base * powers(sums)
    return by_sum[rows.astype(np.int32)[:, None] + columns.astype(np.int32) + 256]
