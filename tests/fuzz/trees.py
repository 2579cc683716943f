"""Edits of plain JSON trees that no schema guides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any

SMALL = [0, 1, -1, 2, 3, 4, 5, 7, 8, 16]
NUMBERS = [*SMALL, 63, 64, 65, 127, 255, 256, 1023, 1024, 4095, 4096, 65535, 65536, 10**6, 2**20]
NUMBERS += [2**30, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, 10**400, -(2**31), -(10**19)]
FLOATS = [0.0, -0.0, 0.5, 1.0, -1.0, 1e-45, 1e-300, 5e-324, 1e-9, 0.1, 1.5, 1e9, 1e38, 1e39, 1e300, 1.7e308, 1e16]
TEXTS = [
    "",
    "0",
    "1",
    "all",
    "a",
    "é",
    "-",
    "~",
    "null",
    "true",
    "1..3",
    "3..1",
    "0..4095",
    "a.b",
    "x" * 200,
    "\U0001f600",
]
EDITS = [1, 1, 1, 2, 4]

COSTLY = 0.75  # large sizes take long where they are allowed, so most are small

Path = tuple[Any, ...]


def places(tree: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value below the root."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def value_at(tree: Any, path: Path) -> Any:
    """The value at a path."""
    for key in path:
        tree = tree[key]
    return tree


def odd_value(rng: Random) -> Any:
    """A value at some limit, or of an unexpected type."""
    kind = rng.randrange(8)
    if kind < 3:
        return rng.choice(SMALL if rng.random() < COSTLY else NUMBERS)
    if kind < 5:
        return rng.choice(FLOATS)
    if kind == 5:
        return rng.choice(TEXTS)
    return rng.choice([None, True, False, [], {}, [[]], [0], {"kind": "x"}])


def edited(tree: Any, rng: Random, known: Callable[[Any, Path, Random], Any] | None = None) -> Any:
    """A copy with one edit or a few; `known` makes a fitting value for a place, in two of three replacements."""
    tree = deepcopy(tree)
    for _ in range(rng.choice(EDITS)):
        paths = list(places(tree))
        if not paths:
            return tree
        _edit(tree, rng.choice(paths), paths, rng, known)
    return tree


def _edit(
    tree: Any, path: Path, paths: list[Path], rng: Random, known: Callable[[Any, Path, Random], Any] | None
) -> None:
    holder, key = value_at(tree, path[:-1]), path[-1]
    kind = rng.randrange(10)
    if kind < 2:
        del holder[key]
    elif kind < 6:
        guided = known is not None and rng.random() < 0.67
        holder[key] = known(tree, path, rng) if guided and known else _nudged(holder[key], rng)
    elif kind == 6:
        holder[key] = deepcopy(value_at(tree, rng.choice(paths)))
    elif kind == 7 and isinstance(holder, dict):
        holder[rng.choice([str(item[-1]) for item in paths])] = holder.pop(key)
    elif isinstance(holder, list):
        _reorder(holder, key, rng)
    else:
        other = rng.choice(list(holder))
        holder[key], holder[other] = holder[other], holder[key]


def _nudged(value: Any, rng: Random) -> Any:
    """A value near the old one, or an odd one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float) and abs(value) < 1e200 and rng.random() < 0.6:
        return rng.choice([value + 1, value - 1, value * 2, value // 2, -value, float(value), value / 3])
    return odd_value(rng)


def _reorder(items: list[Any], index: int, rng: Random) -> None:
    kind = rng.randrange(4)
    if kind == 0:
        items.insert(index, deepcopy(items[index]))
    elif kind == 1:
        items.extend(deepcopy(items[index]) for _ in range(rng.choice([2, 8, 64])))
    elif kind == 2:
        items.reverse()
    else:
        other = rng.randrange(len(items))
        items[index], items[other] = items[other], items[index]
