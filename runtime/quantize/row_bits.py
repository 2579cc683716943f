"""Bits, and other ends of the grid, for each row by the loss's sensitivity to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Clip, RowBits
from .arrays import Float32Array
from .quantile import row_quantiles


def assign_row_bits(scores: Float32Array, bits: int, row_bits: RowBits) -> npt.NDArray[np.int64]:
    """Bits (rows,): `high` for scores above the quantile 1 - share, `low` for those below the quantile `share`, else
    `bits` (parameter-golf PR 167)."""
    most, least = row_quantiles(scores[None], [1 - row_bits.share, row_bits.share])[:, 0]
    return np.where(scores > most, row_bits.high, np.where(scores < least, row_bits.low, bits))


def sensitivity_factors(sensitivities: npt.NDArray[Any], clip: Clip) -> Float32Array:
    """1 + strength * (sensitivity / mean - 1), at least `clip.least_factor`, float32 (rows,), of a mean above 0
    (parameter-golf PR 1412)."""
    assert clip.strength is not None
    wide = sensitivities.astype(np.float64)
    factors = 1 + clip.strength * (wide / wide.mean() - 1)
    least: Float32Array = np.maximum(factors, clip.least_factor).astype(np.float32)
    return least
