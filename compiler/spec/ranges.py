"""Path sugar: `0..8`, `9 x 5`, cycle, sequence, repeat and ties become a plain list of block indices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

MAX_POSITIONS = 512
"""Of a path, and of a mode: all its block executions. Each takes about a millisecond to plan."""

_RANGE = re.compile(r"^(\d{1,4})\s*\.\.\s*(\d{1,4})$")
_ITEM = re.compile(r"^(\d{1,4})\s*(?:\.\.\s*(\d{1,4}))?\s*(?:x\s*(\d{1,4}))?$")


class PathError(ValueError):
    """A path that cannot be expanded; `where` is the place below the path's own key."""

    def __init__(self, message: str, *where: str | int) -> None:
        super().__init__(message)
        self.where = where


def expand_numbers(items: Iterable[int | str]) -> tuple[int, ...]:
    """Numbers and inclusive ranges `a..b` as numbers. Raises PathError for a range that runs backwards."""
    numbers: list[int] = []
    for index, item in enumerate(items):
        if isinstance(item, int):
            numbers.append(item)
            continue
        match = _RANGE.match(item)
        assert match is not None, item  # the schema's pattern
        numbers.extend(_inclusive(int(match[1]), int(match[2]), index))
    return tuple(numbers)


def expand_path(path: Any, count: int) -> tuple[int, ...]:  # noqa: ANN401 - checked by the schema
    """The block index at each position of a path, over a group of `count` blocks.

    Raises:
        PathError: a range that runs backwards, a sequence that does not divide, ties out of range or overlapping,
            too many positions.
    """
    if path is None:
        return tuple(range(count))
    if isinstance(path, list):
        return _expand_list(path)
    ((kind, value),) = path.items()
    return _SUGAR[kind](value, count)


def _expand_list(items: Sequence[int | str]) -> tuple[int, ...]:
    expanded: list[int] = []
    for index, item in enumerate(items):
        match = _ITEM.match(str(item))
        assert match is not None, item  # the schema's pattern
        first = int(match[1])
        numbers = _inclusive(first, int(match[2]), index) if match[2] else range(first, first + 1)
        times = int(match[3]) if match[3] else 1
        if times == 0:
            raise PathError(f"{item!r} repeats 0 times; leave it out", index)
        if len(expanded) + len(numbers) * times > MAX_POSITIONS:
            raise PathError(f"the path has more than {MAX_POSITIONS} positions", index)
        expanded.extend(list(numbers) * times)
    return tuple(expanded)


def _inclusive(first: int, last: int, index: int) -> range:
    if last < first:
        raise PathError(f"range {first}..{last} runs backwards", index)
    return range(first, last + 1)


def _cycle(positions: int, count: int) -> tuple[int, ...]:
    return tuple(position % count for position in range(positions))


def _sandwich(rounds: int, count: int) -> tuple[int, ...]:
    if count < 3:
        raise PathError(
            f"a sandwich needs a first block, a last one and some between; the group has {count}", "sandwich"
        )
    return (0, *(tuple(range(1, count - 1)) * rounds), count - 1)


def _sequence(positions: int, count: int) -> tuple[int, ...]:
    if positions % count:
        raise PathError(f"sequence: {positions} is not a multiple of the group's {count} blocks", "sequence")
    return tuple(position // (positions // count) for position in range(positions))


def _repeat(times: int | list[int], count: int) -> tuple[int, ...]:
    runs = [times] * count if isinstance(times, int) else times
    if len(runs) != count:
        raise PathError(f"repeat has {len(runs)} numbers for the group's {count} blocks", "repeat")
    if sum(runs) > MAX_POSITIONS:
        raise PathError(f"the path has {sum(runs)} positions; at most {MAX_POSITIONS} are allowed", "repeat")
    return tuple(block for block, run in enumerate(runs) for _ in range(run))


def _ties(value: dict[str, Any], count: int) -> tuple[int, ...]:
    """Blocks are numbered by first use, so a tied group takes the number of its first position."""
    positions: int = value["positions"]
    leader: dict[int, int] = {}
    for group_index, group in enumerate(value["groups"]):
        members = expand_numbers(group)
        for member in members:
            if member >= positions:
                raise PathError(
                    f"tied position {member} is out of range 0..{positions - 1}", "ties", "groups", group_index
                )
            if member in leader:
                raise PathError(f"position {member} is tied twice", "ties", "groups", group_index)
            leader[member] = min(members)
    leaders = [leader.get(position, position) for position in range(positions)]
    number = {first: index for index, first in enumerate(sorted(set(leaders)))}
    if len(number) != count:
        raise PathError(
            f"{positions} positions with these ties need {len(number)} blocks; the group has {count}", "ties"
        )
    return tuple(number[first] for first in leaders)


_SUGAR: dict[str, Callable[[Any, int], tuple[int, ...]]] = {
    "cycle": _cycle,
    "sandwich": _sandwich,
    "sequence": _sequence,
    "repeat": _repeat,
    "ties": _ties,
}
