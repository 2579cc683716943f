"""Walks along the edge of the budget in the grid of all variants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from .axes import Axis
from .candidate import Candidate
from .errors import FitError

MOST_COMBINATIONS = 1000
"""Tried one by one where bytes do not grow along every axis."""

Place = tuple[int, ...]
Measure = Callable[[Place], Candidate | str]
"""The candidate at a place, or the code of the fault that makes it no spec."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """What a search found.

    Attributes:
        tried: all valid candidates that were planned.
        edge: of them the largest along the last axis that fit, for each combination of the other axes' values.
        invalid: how many combinations were no spec, by the code of their first error.
        exhaustive: whether every combination was tried, as bytes do not grow along every axis.
    """

    tried: tuple[Candidate, ...]
    edge: tuple[Candidate, ...]
    invalid: dict[str, int]
    exhaustive: bool


def find_frontier(axes: Sequence[Axis], measure: Measure) -> Frontier:
    """Tries as few combinations as find the edge, on the assumption that bytes grow along every axis.

    Where those that were tried disprove it, all combinations are.

    Raises:
        FitError: all would have to be tried and are too many.
    """
    seen: dict[Place, Candidate | str] = {}

    def at(place: Place) -> Candidate | str:
        if place not in seen:
            seen[place] = measure(place)
        return seen[place]

    sizes = [len(axis.values) for axis in axes]
    for rest in product(*(range(size) for size in sizes[:-2])):
        _walk(rest, sizes[-2:], at)
    exhaustive = not _growing(_valid(seen))
    if exhaustive:
        _try_all(axes, at)
    invalid = Counter(found for found in seen.values() if isinstance(found, str))
    return Frontier(tuple(_valid(seen)), tuple(_edge(_valid(seen))), dict(invalid), exhaustive)


def _walk(rest: Place, sizes: Sequence[int], at: Measure) -> None:
    """Down the last axis until it fits, then on along the one before it, never above what has not fitted."""
    ceiling = sizes[-1]
    for outer in _outer(sizes):
        for index in reversed(range(ceiling)):
            found = at((*rest, *outer, index))
            if isinstance(found, Candidate):
                if found.fits:
                    break
                ceiling = index


def _outer(sizes: Sequence[int]) -> Iterator[Place]:
    return ((index,) for index in range(sizes[0])) if len(sizes) > 1 else iter([()])


def _valid(seen: dict[Place, Candidate | str]) -> list[Candidate]:
    return [found for _, found in sorted(seen.items()) if isinstance(found, Candidate)]


def _growing(candidates: Sequence[Candidate]) -> bool:
    """Whether none needs fewer bytes than one that is below it on every axis."""
    return not any(
        upper.needed_bytes < lower.needed_bytes
        for lower in candidates
        for upper in candidates
        if all(low <= high for low, high in zip(lower.place, upper.place, strict=True))
    )


def _try_all(axes: Sequence[Axis], at: Measure) -> None:
    count = prod(len(axis.values) for axis in axes)
    if count > MOST_COMBINATIONS:
        keys = ", ".join(axis.key for axis in axes)
        raise FitError(
            f"bytes do not grow along all of {keys}, so all {count:,} combinations would have to be tried; at most "
            f"{MOST_COMBINATIONS:,} can be: give fewer values"
        )
    for place in product(*(range(len(axis.values)) for axis in axes)):
        at(place)


def _edge(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    best: dict[Place, Candidate] = {}
    for candidate in candidates:
        if candidate.fits:
            best[candidate.place[:-1]] = candidate  # the later ones are higher on the last axis
    return iter(best.values())
