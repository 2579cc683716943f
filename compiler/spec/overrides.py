"""A group's blocks with its overrides merged in, as plain values: what the rules check and the spec is built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .ranges import expand_numbers

Plain = dict[str, Any]
_SELECTORS = ("index", "kind")  # of norm_scale and arrangement; another one takes none of the old one's settings


@dataclass(frozen=True, slots=True)
class MergedBlock:
    """One block as it will be built. `applied` are the overrides that act on it, by their place in the list."""

    plain: Plain
    applied: tuple[int, ...]


def merged_blocks(group: Plain) -> tuple[MergedBlock, ...]:
    """Every block of a group in order; later overrides win. Raises PathError for a range that runs backwards."""
    numbers = [frozenset(expand_numbers(override["blocks"])) for override in group["overrides"]]
    merged: dict[tuple[int, ...], Plain] = {}
    blocks = []
    for index in range(group["count"]):
        applied = tuple(place for place, members in enumerate(numbers) if index in members)
        if applied not in merged:
            merged[applied] = _apply(group, applied)
        blocks.append(MergedBlock(merged[applied], applied))
    return tuple(blocks)


def _apply(group: Plain, applied: tuple[int, ...]) -> Plain:
    merged: Plain = group
    for place in applied:
        change = {key: value for key, value in group["overrides"][place].items() if key != "blocks"}
        merged = _merge(merged, change)
    return merged


def _merge(base: Any, change: Any) -> Any:  # noqa: ANN401 - plain YAML values
    if not (isinstance(base, dict) and isinstance(change, dict)) or any(key in change for key in _SELECTORS):
        return change
    return base | {key: _merge(base.get(key), value) for key, value in change.items()}
