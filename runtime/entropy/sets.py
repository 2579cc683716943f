"""Which matrices share tables: those whose counts, class by class, look alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .classes import MAX_CLASSES, MAX_SETS
from .fit import FittedMatrix

SET_PRICE = 3000.0
"""Bits that two sets must save on one: about what the tables of a set take."""

MOST_LEAVES = 48
"""With more matrices, the smallest start as one."""

_EDGES = (*range(13), 14, 16, 20, 24, 32, 48, 64, 96)
"""Magnitudes that look alike here."""

Floats = npt.NDArray[np.float64]


def choose_sets(fitted: Sequence[FittedMatrix]) -> list[list[int]]:
    """Indices of the matrices of each set: those whose union costs least become one, as long as that pays."""
    groups, counts = _leaves(fitted)
    if len(groups) < 2:
        return groups
    cost = _cost(counts)
    losses = np.full((len(groups), len(groups)), np.inf)
    for index in range(1, len(groups)):
        losses[index, :index] = _cost(counts[:index] + counts[index]) - cost[:index] - cost[index]
    while True:
        second, first = (int(number) for number in np.unravel_index(np.argmin(losses), losses.shape))
        if len(_alive(groups)) == 1 or (losses[second, first] > SET_PRICE and _fits(groups, fitted)):
            return _alive(groups)
        groups[first] += groups[second]
        groups[second] = []
        counts[first] += counts[second]
        cost[first] = _cost(counts[first])
        losses[second, :] = losses[:, second] = np.inf
        alive = np.array([bool(group) for group in groups])
        alive[first] = False
        merged = np.where(alive, _cost(counts + counts[first]) - cost - cost[first], np.inf)
        losses[first, :first], losses[first + 1 :, first] = merged[:first], merged[first + 1 :]


def _leaves(fitted: Sequence[FittedMatrix]) -> tuple[list[list[int]], Floats]:
    """The groups to begin with, and (groups, classes, magnitudes) their counts."""
    order = sorted(range(len(fitted)), key=lambda index: (-int(fitted[index].histogram.sum()), index))
    groups = [[index] for index in order[: MOST_LEAVES - 1]]
    groups += [order[MOST_LEAVES - 1 :]] if len(order) >= MOST_LEAVES else []
    low, high = class_range(fitted)
    counts = np.zeros((len(groups), high - low, len(_EDGES)))
    for number, group in enumerate(groups):
        for one in (fitted[index] for index in group):
            coarse = np.add.reduceat(one.histogram, _EDGES, axis=1)
            counts[number, one.low - low : one.low - low + len(coarse)] += coarse
    return groups, counts


def class_range(fitted: Sequence[FittedMatrix]) -> tuple[int, int]:
    """First class and end of the classes that any of these have."""
    low = min((one.low for one in fitted), default=0)
    return low, max((one.low + len(one.histogram) for one in fitted), default=0)


def _cost(counts: Floats) -> Floats:
    """Bits of (..., classes, magnitudes) counts, each class by its own frequencies."""
    totals = counts.sum(axis=-1)
    within = (counts * np.log2(np.maximum(counts, 1))).sum(axis=(-1, -2))
    return np.asarray((totals * np.log2(np.maximum(totals, 1))).sum(axis=-1) - within)


def _alive(groups: list[list[int]]) -> list[list[int]]:
    return [sorted(group) for group in groups if group]


def _fits(groups: list[list[int]], fitted: Sequence[FittedMatrix]) -> bool:
    """Whether there are not too many sets, nor too many classes in all."""
    ranges = [class_range([fitted[index] for index in group]) for group in _alive(groups)]
    return len(ranges) <= MAX_SETS and sum(high - low for low, high in ranges) <= MAX_CLASSES
