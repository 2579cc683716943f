"""What quantization did to each store: its error, and the bits it takes before the codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Scheme
from .arrays import Int8Array
from .integer import row_shape
from .store import EncodedStore, decode, decode_codes

SMALLEST_NORMAL = 2.0**-14


@dataclass(frozen=True, slots=True)
class StoreReport:
    """Quantization of one store.

    Attributes:
        relative_rms: RMS of (decoded - weights) over the RMS of the weights; 0 for a store of zeros.
        stored_bits: bits a weight as handed to the codec (8 for codes; steps included).
        entropy_bits: bits a weight that an ideal order-0 coder needs (steps at 16 bits; float schemes: as stored).
        clamped: weights at either end of the grid.
        zero_rows: rows stored as exact zeros; one when a float store is all zeros.
        coarse_steps: rows whose step is below float16's normal range, 2^-14, and so has fewer than 11 significant bits.
    """

    name: str
    scheme: Scheme
    elements: int
    relative_rms: float
    stored_bits: float
    entropy_bits: float
    clamped: int
    zero_rows: int
    coarse_steps: int


def report_store(array: npt.NDArray[Any], encoded: EncodedStore) -> StoreReport:
    """Compares `array`, the weights that were encoded, with what `encoded` decodes to."""
    weights = np.asarray(array, dtype=np.float64)
    stored_bits = 8 * sum(len(part) for part in encoded.parts.values()) / weights.size
    entropy_bits, clamped, zero_rows, coarse = stored_bits, 0, int(not weights.any()), 0
    if encoded.scheme.kind == "integer":
        codes = decode_codes(encoded)
        entropy_bits = code_entropy(codes.codes) + 16 * row_shape(encoded.shape)[0] / weights.size
        clamped = int(np.count_nonzero(np.abs(codes.codes) == encoded.scheme.levels))
        zero_rows = int(np.count_nonzero(codes.steps == 0))
        coarse = int(np.count_nonzero((codes.steps > 0) & (codes.steps < SMALLEST_NORMAL)))
    return StoreReport(
        name=encoded.name,
        scheme=encoded.scheme,
        elements=weights.size,
        relative_rms=relative_rms(weights, decode(encoded)),
        stored_bits=stored_bits,
        entropy_bits=entropy_bits,
        clamped=clamped,
        zero_rows=zero_rows,
        coarse_steps=coarse,
    )


def relative_rms(weights: npt.NDArray[np.float64], decoded: npt.NDArray[Any]) -> float:
    """RMS of the difference over the RMS of the weights."""
    power = float(np.square(weights).mean())
    return float(np.sqrt(np.square(weights - decoded).mean() / power)) if power else 0.0


def code_entropy(codes: Int8Array) -> float:
    """Order-0 entropy in bits a symbol."""
    counts = np.bincount(codes.ravel().view(np.uint8), minlength=256)
    shares = counts[counts > 0] / codes.size
    return float(-(shares * np.log2(shares)).sum())
