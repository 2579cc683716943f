"""The encoder's choice of levels: those of the classes' counts, rounded by what they save."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import numpy as np
import numpy.typing as npt

from .classes import Levels
from .tables import HIGHEST, NEVER, PRECISION, frequencies, predict, share

Integers = npt.NDArray[np.int64]

_GRID = np.arange(-HIGHEST, HIGHEST + 1)
_CHANCES = np.array([numerator / denominator for numerator, denominator in map(share, _GRID.tolist())])
_TAKE, _LEAVE = -np.log2(_CHANCES), -np.log2(1 - _CHANCES)
_PRICE = 1 + 1.5 * np.log2(1 + np.arange(2 * HIGHEST + 1))
"""Bits of a level at so great a distance from the expected one, roughly."""

_NEVER_PRICE = 3.0


def fit_tables(histogram: Integers) -> list[Levels]:
    """Levels of each class of (classes, magnitudes) `histogram`; none where all entries are zero, or there are none."""
    tables: list[Levels] = []
    for counts in histogram:
        tables.append(_fit_table(counts, [table for table in tables[-2:] if table]) if counts.any() else [])
    return tables


def _fit_table(counts: Integers, earlier: Sequence[Levels]) -> Levels:
    total = int(counts.sum())
    top = int(np.flatnonzero(counts)[-1])
    left = total
    levels: Levels = []
    for count in counts[:top].tolist():
        levels.append(_fit_level(count, left, total, predict(earlier, levels)))
        left -= count
    return levels


def _fit_level(count: int, left: int, total: int, expected: int) -> int:
    """The cheapest level of a magnitude that `count` of the `left` codes of at least that magnitude have."""
    bits = count * _TAKE + (left - count) * _LEAVE + _PRICE[np.abs(_GRID - expected)]
    best = int(np.argmin(bits))
    slots = 2 * total * 2.0**-PRECISION * log2(np.e)  # what two slots for nothing cost all other codes
    if not count and bits[best] + slots > _NEVER_PRICE:
        return NEVER
    return int(_GRID[best])


def bits_of(histogram: Integers, tables: Sequence[Levels]) -> float:
    """Bits that the counts of (classes, magnitudes) `histogram` take with these tables."""
    return sum(_bits_of_class(counts, levels) for counts, levels in zip(histogram, tables, strict=True))


def _bits_of_class(counts: Integers, levels: Levels) -> float:
    slots = np.array(frequencies(levels), np.float64)
    present = np.flatnonzero(counts)
    return float(counts[present] @ (PRECISION - np.log2(slots[present])))
