"""Fits a cell's factor and interval to measured sizes, pull request by pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

FEWEST = 10
"""Pull requests under which a cell has no interval of its own."""
MISSED = 0.03
"""Share of pull requests, by weight, that an interval may miss: less than 5 %, for the next ones will differ."""
STRETCH = 0.2
"""How far an interval of 2 / MISSED pull requests goes beyond their extremes, over their distance; more with fewer."""
LEAST = {True: 0.004, False: 0.03}
"""Half width of an interval at least: with a closed form, and without."""
MOST = log(4.0)
"""Nothing takes more than the float32 weights, but as far as runs logged it."""
CENTRAL = 0.85


@dataclass(frozen=True)
class Sample:
    """Logarithm of measured over base bytes."""

    pull_request: str
    value: float


def fit_cell(samples: Sequence[Sample], *, closed_form: bool) -> tuple[float, float, float]:
    """Low, centre and high of the logarithm.

    The centre is the middle of the shortest interval that holds CENTRAL of the weight where there is a closed form,
    which keeps the 85th percentile of the error least, and elsewhere the median.
    """
    weighted = _weighted(samples)
    low, high = (_quantile(weighted, share) for share in (MISSED / 2, 1 - MISSED / 2))
    few = 2 / MISSED / len({sample.pull_request for sample in samples})
    stretch = STRETCH * (high - low) * min(few, 1.0 if closed_form else 2.5)
    centre = _shortest_middle(weighted) if closed_form else _quantile(weighted, 0.5)
    least = LEAST[closed_form]
    return min(low - stretch, centre - least), centre, max(high, min(high + stretch, MOST), centre + least)


def _weighted(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """Values in order with weights of sum 1, each pull request's the same."""
    counts = Counter(sample.pull_request for sample in samples)
    return sorted((sample.value, 1 / counts[sample.pull_request] / len(counts)) for sample in samples)


def _quantile(weighted: Sequence[tuple[float, float]], share: float) -> float:
    total = 0.0
    for value, weight in weighted:
        total += weight
        if total >= share - 1e-9:
            return value
    return weighted[-1][0]


def _shortest_middle(weighted: Sequence[tuple[float, float]]) -> float:
    best, total, end = (float("inf"), 0.0), 0.0, 0
    for start, (low, weight) in enumerate(weighted):
        while end < len(weighted) and total < CENTRAL - 1e-9:
            total += weighted[end][1]
            end += 1
        if total < CENTRAL - 1e-9:
            break
        high = weighted[end - 1][0]
        best = min(best, (high - low, (low + high) / 2))
        total -= weight
        assert start < end
    return best[1]
