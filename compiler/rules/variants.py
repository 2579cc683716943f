"""Blocks as they will be, overrides merged in, and which part of the spec a value of theirs comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..spec.overrides import merged_blocks
from ..spec.ranges import PathError, expand_numbers
from .findings import YamlPath


@dataclass(frozen=True, slots=True)
class Variant:
    """A block that the overrides `applied` make of its group; blocks with the same overrides are equal."""

    group: str
    applied: tuple[int, ...]
    plain: dict[str, Any] = field(compare=False)
    overrides: list[dict[str, Any]] = field(compare=False)

    def place(self, *keys: YamlPath) -> YamlPath:
        """Where one of `keys` was last set: in the last override that has one, else the first key in the group."""
        for index in reversed(self.applied):
            for key in keys:
                if _has(self.overrides[index], key):
                    return ("blocks", self.group, "overrides", index, *key)
        return ("blocks", self.group, *keys[0])


def group_variants(name: str, group: dict[str, Any]) -> tuple[Variant, ...]:
    """Every block of a group in order. An override whose range runs backwards acts on none: LS112 reports it."""
    overrides = [part if _readable(part) else {"blocks": []} for part in group["overrides"]]
    blocks = merged_blocks(group | {"overrides": overrides})
    return tuple(Variant(name, block.applied, block.plain, overrides) for block in blocks)


def _readable(override: dict[str, Any]) -> bool:
    try:
        expand_numbers(override["blocks"])
    except PathError:
        return False
    return True


def _has(part: dict[str, Any], key: YamlPath) -> bool:
    for step in key:
        if not isinstance(part, dict) or step not in part:
            return False
        part = part[str(step)]
    return True
