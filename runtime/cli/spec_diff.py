"""Differences of two resolved specs, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class Absent:
    """The type of `ABSENT`: a key that one of the two does not have, as against one that is null."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key, dotted as `--set` has it, and its value on either side, `ABSENT` where it has none."""

    key: str
    a: Any
    b: Any


def spec_changes(a: dict[str, Any], b: dict[str, Any]) -> list[KeyChange]:
    """All keys that differ, each at the greatest depth that tells them apart; in the order of `a`, then of `b`."""
    return list(_changes(a, b, ""))


def _changes(a: object, b: object, path: str) -> Iterator[KeyChange]:
    if isinstance(a, dict) and isinstance(b, dict):
        pairs = [(key, a.get(key, ABSENT), b.get(key, ABSENT)) for key in dict.fromkeys([*a, *b])]
    elif isinstance(a, list) and isinstance(b, list) and _structured([*a, *b]):
        pairs = [(str(index), _item(a, index), _item(b, index)) for index in range(max(len(a), len(b)))]
    else:
        if a != b:
            yield KeyChange(path, a, b)
        return
    for key, left, right in pairs:
        yield from _changes(left, right, f"{path}.{key}" if path else key)


def _structured(items: list[object]) -> bool:
    """Whether a list holds mappings; others, such as a path, are compared as a whole."""
    return any(isinstance(item, dict) for item in items)


def _item(items: list[object], index: int) -> object:
    return items[index] if index < len(items) else ABSENT
