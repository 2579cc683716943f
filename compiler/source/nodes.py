"""The parsed YAML tree; every node and key keeps its place."""

from __future__ import annotations

from collections.abc import Sequence as AbstractSequence
from dataclasses import dataclass
from typing import TypeAlias

from .span import Span

ScalarValue: TypeAlias = bool | int | float | str | None
Plain: TypeAlias = "ScalarValue | list[Plain] | dict[str, Plain]"
Path: TypeAlias = AbstractSequence[str | int]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `text` is the YAML scalar before resolution; `valid` is False once a diagnostic refused it."""

    value: ScalarValue
    span: Span
    text: str
    valid: bool = True


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """The value under a key, with the place of the key."""

    key_span: Span
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping with text keys in the order of the file."""

    entries: dict[str, Entry]
    span: Span


Node: TypeAlias = Scalar | Sequence | Mapping


def to_plain(node: Node) -> Plain:
    """The tree as plain Python values (dict, list, str, int, float, bool, None)."""
    if isinstance(node, Mapping):
        return {key: to_plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [to_plain(item) for item in node.items]
    return node.value


def mapping_to_plain(node: Mapping) -> dict[str, Plain]:
    """`to_plain` of a mapping, typed as a dict."""
    return {key: to_plain(entry.value) for key, entry in node.entries.items()}


def child(node: Node, step: str | int) -> Node | None:
    """The node one step down, or None."""
    if isinstance(node, Mapping):
        entry = node.entries.get(step) if isinstance(step, str) else None
        return entry.value if entry is not None else None
    if isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None


def node_at(node: Node, path: Path) -> Node | None:
    """The node at `path`, or None when the path leaves the tree."""
    found: Node | None = node
    for step in path:
        if found is None:
            return None
        found = child(found, step)
    return found


def value_span(entry: Entry) -> Span:
    """The place of an entry's value; the key's place when nothing is written after the colon."""
    return entry.key_span if entry.value.span.empty else entry.value.span


def span_at(root: Node, path: Path, key: bool = False) -> Span:
    """The place of the value at `path` (of its key with `key=True`).

    A path that leaves the tree gives the nearest ancestor that exists: its key where it has one, since the key says
    better than a whole block where something is missing.
    """
    node = root
    place, key_place = root.span, root.span
    for step in path:
        below = child(node, step)
        if below is None:
            return key_place
        place = key_place = below.span
        if isinstance(node, Mapping) and isinstance(step, str):
            entry = node.entries[step]
            place, key_place = value_span(entry), entry.key_span
        node = below
    return key_place if key else place
