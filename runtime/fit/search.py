"""Walks along the edge of the budget in the grid of all variants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

from .axes import Axis
from .candidate import Candidate, Fault
from .errors import FitError

MOST_COMBINATIONS = 1000
"""Tried one by one where bytes do not grow along every axis."""

MOST_TRIED = 2 * 1000
"""By a walk: a plan takes about a tenth of a second. Any two axes may be as long as an axis can be."""

Place = tuple[int, ...]
Measure = Callable[[Place], Candidate | Fault]
"""The candidate at a place, or what makes it no spec."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """What a search found.

    Attributes:
        tried: all valid candidates that were planned.
        edge: of them the largest along the last axis that fit, for each combination of the other axes' values.
        invalid: how many combinations were no spec, by the code of their first error.
        fault: of the first of them in order of places; None where there are none.
        exhaustive: whether every combination was tried, as bytes do not grow along every axis.
    """

    tried: tuple[Candidate, ...]
    edge: tuple[Candidate, ...]
    invalid: dict[str, int]
    fault: Fault | None
    exhaustive: bool


def find_frontier(axes: Sequence[Axis], measure: Measure) -> Frontier:
    """Tries as few combinations as find the edge, on the assumption that excess bytes grow along every axis.

    Where those that were tried disprove it, all combinations are.

    Raises:
        FitError: more would have to be tried than can be.
    """
    _check_walks(axes)
    seen: dict[Place, Candidate | Fault] = {}

    def at(place: Place) -> Candidate | Fault:
        if place not in seen:
            seen[place] = measure(place)
        return seen[place]

    sizes = [len(axis.values) for axis in axes]
    for rest in product(*(range(size) for size in sizes[:-2])):
        _walk(rest, sizes[-2:], at)
    exhaustive = not _growing(_valid(seen))
    if exhaustive:
        _try_all(axes, at)
    faults = [found for _, found in sorted(seen.items()) if isinstance(found, Fault)]
    invalid = Counter(fault.code for fault in faults)
    first = faults[0] if faults else None
    return Frontier(tuple(_valid(seen)), tuple(_edge(_valid(seen))), dict(invalid), first, exhaustive)


def _check_walks(axes: Sequence[Axis]) -> None:
    """A walk plans at most one combination for each value of the last two axes."""
    *rest, last = (len(axis.values) for axis in axes)
    count = prod(rest[:-1]) * (sum(rest[-1:]) + last)
    if count > MOST_TRIED:
        keys = ", ".join(axis.key for axis in axes)
        raise FitError(
            f"--vary over {keys}: up to {count:,} combinations would have to be planned; at most {MOST_TRIED:,} can "
            "be: vary fewer keys or give fewer values"
        )


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


def _valid(seen: dict[Place, Candidate | Fault]) -> list[Candidate]:
    return [found for _, found in sorted(seen.items()) if isinstance(found, Candidate)]


def _growing(candidates: Sequence[Candidate]) -> bool:
    """Whether none of them, which come in order of places, is nearer to fitting than one below it on every axis."""
    return not any(
        upper.excess_bytes < lower.excess_bytes
        and all(low <= high for low, high in zip(lower.place, upper.place, strict=True))
        for lower, upper in combinations(candidates, 2)
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
