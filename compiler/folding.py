"""Folds names that differ in one index into one: `blocks.core.0..5.attention.query`."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

_INDEX = re.compile(r"(?<=\.)\d+(?=\.|$)")

ValueT = TypeVar("ValueT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Folded(Generic[ValueT]):
    """`count` names with the same value; `name` has their indices as ranges, such as `0..3,5`."""

    name: str
    count: int
    value: ValueT


def fold(named: Iterable[tuple[str, ValueT]]) -> list[Folded[ValueT]]:
    """One entry for all names of equal value that differ only in their first index; ordered by the first of each."""
    rows: dict[tuple[str, str, ValueT], list[int]] = {}
    for name, value in named:
        found = _INDEX.search(name)
        head, tail = (name[: found.start()], name[found.end() :]) if found else (name, "")
        rows.setdefault((head, tail, value), []).extend([int(found[0])] if found else [])
    return [
        Folded(f"{head}{ranges(indices)}{tail}", max(len(indices), 1), value)
        for (head, tail, value), indices in rows.items()
    ]


def ranges(indices: Sequence[int]) -> str:
    """`0..3,5` for 0, 1, 2, 3, 5; the inverse of what a path of a spec may hold."""
    runs: list[list[int]] = []
    for _, group in groupby(enumerate(sorted(indices)), key=lambda item: item[1] - item[0]):
        runs.append([index for _, index in group])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)
