"""Bits a weight that a scheme comes to for Gaussian weights."""

from __future__ import annotations

from math import pi, sqrt

from ..spec.quantization import Clip, Scheme
from .entropy import gaussian_entropy, least_error_k, percentile_k, row_maximum
from .layout import row_shape, unit_elements

TERNARY_K = sqrt(2 / pi)
"""The step of a ternary grid, its one level, is the mean magnitude."""
GRID_BITS = 8
"""Codes of a rate-distortion grid lie in -127..127."""


def code_bits(shape: tuple[int, ...], scheme: Scheme) -> float:
    """Entropy of a coded store's codes, bits a weight; of a rate-distortion store at the fine end of its grid."""
    if scheme.kind == "rate_distortion":
        return gaussian_entropy(GRID_BITS, row_maximum(row_shape(shape)[1]), scheme.prune)
    if scheme.kind == "binary":
        return 1.0
    if scheme.kind == "ternary":
        return gaussian_entropy(2, TERNARY_K, scheme.prune)
    assert scheme.bits is not None and scheme.clip is not None
    samples = unit_elements(shape, scheme)
    return sum(
        share * gaussian_entropy(bits, clip_k(scheme.clip, bits, samples), scheme.prune)
        for bits, share in row_shares(scheme).items()
    )


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
