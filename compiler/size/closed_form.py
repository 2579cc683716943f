"""Bits a weight that a scheme comes to for Gaussian weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from ..spec.quantization import Clip, Scheme
from .assumptions import Assumed, likely, row_factors
from .entropy import (
    entropy_bits,
    gaussian_masses,
    huffman_bits,
    kept_deviation,
    kept_magnitude,
    least_error_k,
    passed_on_masses,
    percentile_k,
    rounding_error,
    row_maximum,
)
from .layout import row_shape, unit_elements

GRID_LEVELS = 127
"""Codes of a rate-distortion grid lie in -127..127."""


@dataclass(frozen=True, slots=True)
class CodeBits:
    """Bits a weight.

    Attributes:
        by_row: entropy of the codes of a row, in the mean.
        mixed: of all rows' codes together, which is as much where all rows have one grid.
        huffman: mean length of the Huffman words of all rows' codes together.
    """

    by_row: float
    mixed: float
    huffman: float


def code_bits(shape: tuple[int, ...], scheme: Scheme) -> float:
    """Entropy of a coded store's codes, bits a weight; of a rate-distortion store at the fine end of its grid."""
    return code_model(shape, scheme, likely(scheme)).mixed


def code_model(shape: tuple[int, ...], scheme: Scheme, assumed: Assumed) -> CodeBits:
    """The same with what coders need to know of it, for weights and sensitivities as assumed."""
    samples = row_shape(shape)[1] if scheme.kind == "rate_distortion" else unit_elements(shape, scheme)
    return _code_model(samples, scheme, assumed)


@lru_cache(maxsize=4096)
def _code_model(samples: int, scheme: Scheme, assumed: Assumed) -> CodeBits:
    if scheme.kind == "binary":
        return CodeBits(1.0, 1.0, 1.0)
    grids = _row_grids(samples, scheme, assumed)
    classes = [(share, _masses(scheme, assumed, levels, k)) for share, levels, k in grids]
    by_row = sum(share * entropy_bits(masses) for share, masses in classes)
    mixed = [
        sum(column) for column in zip_longest(*(_times(share, masses) for share, masses in classes), fillvalue=0.0)
    ]
    return CodeBits(by_row, entropy_bits(mixed) if len(classes) > 1 else by_row, huffman_bits(mixed))


def _row_grids(samples: int, scheme: Scheme, assumed: Assumed) -> Iterator[tuple[float, int, float]]:
    """Share of the rows, levels, and where their grid ends, in standard deviations of the weights."""
    if scheme.kind == "rate_distortion":
        yield 1.0, GRID_LEVELS, row_maximum(samples)
        return
    if scheme.kind == "ternary":
        yield 1.0, 1, kept_magnitude(scheme.prune)
        return
    assert scheme.clip is not None
    factors = row_factors(scheme.clip, assumed)
    kept = kept_deviation(scheme.prune) if scheme.clip.k is not None else 1.0
    for bits, share in row_shares(scheme).items():
        k = kept * clip_k(scheme.clip, bits, samples)
        for factor in factors:
            yield share / len(factors), (1 << (bits - 1)) - 1, factor * k


def _masses(scheme: Scheme, assumed: Assumed, levels: int, k: float) -> list[float]:
    step = max(k / levels, scheme.step.floor / assumed.deviation)
    if scheme.clip is not None and scheme.clip.kind == "percentile":  # clips weights, not codes
        levels = min(levels, round(k / step))
    if levels == 0:
        return [1.0]
    if not assumed.passed_on:
        return gaussian_masses(levels, step, scheme.prune)
    error = 1 - kept_deviation(scheme.prune) ** 2 + (1 - scheme.prune) * rounding_error(levels, step)
    return passed_on_masses(levels, step, scheme.prune, assumed.passed_on * error)


def row_shares(scheme: Scheme) -> dict[int, float]:
    """Share of the rows by bits."""
    assert scheme.bits is not None
    if scheme.row_bits is None:
        return {scheme.bits: 1.0}
    share = scheme.row_bits.share
    shares = {scheme.bits: 0.0, scheme.row_bits.high: 0.0, scheme.row_bits.low: 0.0}
    for bits, part in ((scheme.bits, 1 - 2 * share), (scheme.row_bits.high, share), (scheme.row_bits.low, share)):
        shares[bits] += part
    return shares


def clip_k(clip: Clip, bits: int, samples: int) -> float:
    """Where a clip cuts `samples` Gaussian weights that share a step, in standard deviations."""
    if clip.k is not None:
        return clip.k
    if clip.kind == "percentile":
        assert clip.percentile is not None
        return percentile_k(clip.percentile, samples)
    if clip.kind == "percentile_search":
        return least_error_k(bits, [percentile_k(share, samples) for share in clip.percentiles])
    return row_maximum(samples)


def _times(share: float, masses: Sequence[float]) -> list[float]:
    return [share * mass for mass in masses]
