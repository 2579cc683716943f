"""What quantization did to each store: its error, the bits it takes before the codec, and what it costs in loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Scheme
from .arrays import Int8Array
from .encoding import encode
from .grid import predicted_loss
from .prune import pruned_count
from .statistics import StoreStatistics
from .storage import CODES, Storage, row_shape
from .store import EncodedStore, decode, decode_codes, decode_steps, stored_steps

SMALLEST_NORMAL = 2.0**-14


@dataclass(frozen=True, slots=True)
class CodeCounts:
    """Of the codes and steps of one store.

    Attributes:
        entropy: bits a code of an ideal order-0 coder.
        clamped: codes at either end of the grid, where that has more than one level.
        zero_units: rows, groups or stores whose step is 0, and so all of their weights.
        coarse_steps: steps in float16 below its normal range, 2^-14, with fewer than 11 significant bits.
    """

    entropy: float = 0.0
    clamped: int = 0
    zero_units: int = 0
    coarse_steps: int = 0


@dataclass(frozen=True, slots=True)
class StoreReport:
    """Quantization of one store.

    Attributes:
        squared_error: sum over all weights of (decoded - weight)^2.
        relative_rms: RMS of (decoded - weights) over the RMS of the weights; 0 for a store of zeros.
        stored_bits: bits a weight as handed to the codec (8 for codes; steps included).
        entropy_bits: bits a weight that an ideal order-0 coder needs, with all parts but the codes as stored.
        pruned: weights that the scheme made zero before rounding.
        zero_weights: weights that decode to zero, pruned ones among them.
        predicted_loss: rise of the loss, nats a token; None without calibration of gradients.
        gptq_gain: how much smaller than by rounding to nearest GPTQ made its own objective, as a share of that; below
            0 where it lost. None for schemes without it.
    """

    name: str
    scheme: Scheme
    elements: int
    squared_error: float
    relative_rms: float
    stored_bits: float
    entropy_bits: float
    codes: CodeCounts
    pruned: int
    zero_weights: int
    predicted_loss: float | None
    gptq_gain: float | None


def report_store(
    array: npt.NDArray[Any], encoded: EncodedStore, scheme: Scheme, statistics: StoreStatistics | None = None
) -> StoreReport:
    """Compares `array`, the weights that `scheme` encoded, with what `encoded` decodes to."""
    weights = np.asarray(array, dtype=np.float64)
    decoded = decode(encoded)
    squared_error = float(np.square(weights - decoded).sum())
    power = float(np.square(weights).sum())
    stored_bits = 8 * sum(len(part) for part in encoded.parts.values()) / weights.size
    counts = count_codes(encoded)
    known = statistics is not None and statistics.weighted.size > 0
    return StoreReport(
        name=encoded.name,
        scheme=scheme,
        elements=weights.size,
        squared_error=squared_error,
        relative_rms=(squared_error / power) ** 0.5 if power else 0.0,
        stored_bits=stored_bits,
        entropy_bits=stored_bits - 8 + counts.entropy if CODES in encoded.parts else stored_bits,
        codes=counts,
        pruned=pruned_count(weights.size, scheme.prune),
        zero_weights=int(np.count_nonzero(decoded == 0)),
        predicted_loss=predicted_loss(array, decoded, statistics) if known and statistics is not None else None,
        gptq_gain=gptq_gain(array, decoded, scheme, statistics),
    )


def count_codes(encoded: EncodedStore) -> CodeCounts:
    """Zeros for a store of floats."""
    if CODES not in encoded.parts:
        return CodeCounts()
    codes, storage = decode_codes(encoded), encoded.storage
    steps = stored_steps(encoded) if storage.kind == "integer" else decode_steps(encoded)
    return CodeCounts(
        entropy=code_entropy(codes),
        clamped=int(np.count_nonzero(np.abs(codes) == storage.levels)) if storage.levels > 1 else 0,
        zero_units=int(np.count_nonzero(steps == 0)),
        coarse_steps=int(np.count_nonzero((steps > 0) & (steps < SMALLEST_NORMAL))) if _halves(storage) else 0,
    )


def gptq_gain(
    array: npt.NDArray[Any], decoded: npt.NDArray[np.float32], scheme: Scheme, statistics: StoreStatistics | None
) -> float | None:
    """1 - trace(E H E^T) / the same of rounding to nearest on the same steps; None without gptq or statistics."""
    if scheme.gptq is None or statistics is None:
        return None
    nearest = decode(encode("nearest", np.asarray(array), replace(scheme, gptq=None), statistics))
    by_inputs = replace(statistics, weighted=statistics.inputs, outputs=np.ones(row_shape(decoded.shape)[0]))
    ours, theirs = (predicted_loss(array, values, by_inputs) for values in (decoded, nearest))
    return 1 - ours / theirs if theirs else 0.0


def code_entropy(codes: Int8Array) -> float:
    """Order-0 entropy in bits a symbol."""
    counts = np.bincount(codes.ravel().view(np.uint8), minlength=256)
    shares = counts[counts > 0] / codes.size
    return float(-(shares * np.log2(shares)).sum())


def _halves(storage: Storage) -> bool:
    return storage.kind == "integer" and storage.step_dtype == "float16"
