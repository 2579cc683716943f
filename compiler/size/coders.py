"""What coders take over the order-0 entropy of the codes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from ..spec.quantization import Codec, CodecKind
from .factors import ONE, Factor

LOW_LEVEL = Factor(1.0, 1.05, 1.22)
FULL_LEVEL: dict[CodecKind, int] = {"zstd": 16, "brotli": 10, "lzma": 6, "zlib": 6}
"""Levels from which a compressor does about what it can: zstd below takes 1.00 to 1.22 times as much."""

ENTROPIES = (1.0, 1.58, 2.0, 2.34, 3.25, 4.25, 4.72, 5.3, 7.33)
OVER_ENTROPY: dict[CodecKind, tuple[float, ...]] = {
    "zstd": (1.010, 1.052, 1.053, 1.030, 1.020, 1.014, 1.011, 1.009, 1.006),
    "brotli": (1.000, 1.035, 1.035, 1.015, 1.005, 1.003, 1.002, 1.002, 1.002),
    "lzma": (1.105, 1.105, 1.130, 1.120, 1.060, 1.036, 1.030, 1.027, 1.016),
    "zlib": (1.205, 1.170, 1.205, 1.192, 1.164, 1.132, 1.099, 1.055, 1.015),
    "constriction": (1.0,) * 9,
    "rans": (0.98, 0.975, 0.97, 0.97, 0.97, 0.97, 0.972, 0.975, 0.98),
}
"""Bytes over order-0 entropy by bits a weight of it, between those of Gaussian and of row x column scaled codes.
`rans`, which sees rows and columns, takes 3 to 4 % less on trained ones, and as much where there is nothing to see."""
RANS_SPREAD = Factor(0.985, 1.0, 1.034)

COARSE_ENTROPIES = (0.03, 0.11, 0.31, 0.52, 0.7, 0.96, 1.22, 1.51, 1.87, 2.25, 2.66)
OVER_COARSE: dict[CodecKind, tuple[float, ...]] = {
    "zstd": (1.63, 1.455, 1.37, 1.315, 1.30, 1.285, 1.28, 1.28, 1.28, 1.28, 1.28),
    "brotli": (1.81, 1.41, 1.28, 1.26, 1.27, 1.29, 1.29, 1.29, 1.29, 1.29, 1.29),
    "lzma": (1.56, 1.31, 1.24, 1.24, 1.23, 1.20, 1.168, 1.16, 1.15, 1.145, 1.12),
    "zlib": (1.50, 1.50, 1.463, 1.39, 1.37, 1.32, 1.265, 1.24, 1.22, 1.22, 1.19),
}
"""The same where most codes are zero, of Gaussian and of pruned Gaussian matrices of 2^18 codes: repeats take the place
of the words of a bit that Huffman's code would give each zero."""
HUFFMAN: dict[CodecKind, float] = {"zstd": 1.006, "brotli": 1.002}
"""Over the words of Huffman's code, which these take where they are shorter."""
COARSE, FINE = 1.58, 3.0
"""Bits a weight: below `COARSE` the shape of the codes decides, from `FINE` on it hardly matters."""
SHAPES: dict[CodecKind, float] = {"zlib": 1.035, "lzma": 1.035}
"""What codes take that are no bell (pruned, or many at the ends of the grid) over those that are, at equal entropy."""
COARSE_SPREAD = Factor(0.94, 1.0, 1.06)
CODER_BYTES = 150
"""Tables and a frame, for codes that come to next to nothing."""


def codec_factor(codec: Codec, bits: float, huffman: float | None = None) -> Factor:
    """What a coder takes over the order-0 entropy of `bits` a weight.

    Args:
        huffman: mean length of the codes' Huffman words; None where only the entropy is known.
    """
    over = _interpolated(ENTROPIES, OVER_ENTROPY[codec.kind], bits)
    if codec.kind in ("rans", "constriction"):
        return Factor(over, over, over) * (RANS_SPREAD if codec.kind == "rans" else ONE)
    low_level = LOW_LEVEL if codec.level < FULL_LEVEL.get(codec.kind, codec.level) else ONE
    if bits >= FINE:
        return Factor(over, over, over * SHAPES.get(codec.kind, 1.0)) * low_level
    return _coarse_factor(codec.kind, bits, over, huffman) * low_level


def _coarse_factor(kind: CodecKind, bits: float, over: float, huffman: float | None) -> Factor:
    """Of a byte compressor at few bits: by Huffman's words or by repeats, whichever is shorter."""
    worst = _interpolated(COARSE_ENTROPIES, OVER_COARSE[kind], bits)
    words = bits if huffman is None else huffman
    if kind in HUFFMAN and bits > 0 and huffman is not None:
        worst = min(worst, HUFFMAN[kind] * words / bits)
    most = max(over, worst)
    if bits >= COARSE:
        return Factor(over, over, most * SHAPES.get(kind, 1.01))
    if huffman is None:
        return Factor(min(over, worst), (over + most) / 2, most) * COARSE_SPREAD
    return Factor(worst, worst, worst) * COARSE_SPREAD


def _interpolated(places: Sequence[float], values: Sequence[float], at: float) -> float:
    place = min(max(at, places[0]), places[-1])
    right = max(1, bisect_left(places, place))
    low, high = places[right - 1], places[right]
    share = (place - low) / (high - low)
    return values[right - 1] * (1 - share) + values[right] * share
