"""A grid for a store of which calibration knows nothing: one step, as fine as a byte allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .arrays import as_finite_float32
from .gptq import nearest_codes
from .storage import BASE, CODES, COLUMNS, GRID_LEVELS, ROWS, Storage, row_shape
from .store import EncodedStore

LEAST_BASE = np.float32(2.0**-100)
"""The step of a store of zeros."""


def encode_plain_grid(name: str, array: npt.NDArray[Any]) -> EncodedStore:
    """The store on a grid whose end is its largest weight, rounded to nearest.

    Raises:
        QuantizeError: weights that are not finite.
    """
    weights = as_finite_float32(array, name)
    rows, cols = row_shape(weights.shape)
    base = np.maximum(np.float32(np.abs(weights).max() / GRID_LEVELS), LEAST_BASE)
    codes = nearest_codes(weights.reshape(rows, cols), np.full((1, 1), base, np.float32), GRID_LEVELS)
    parts = {CODES: codes.tobytes(), BASE: base.astype("<f4").tobytes(), ROWS: bytes(rows), COLUMNS: bytes(cols)}
    return EncodedStore(name, weights.shape, Storage("grid", GRID_LEVELS), parts)
