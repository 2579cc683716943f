"""Lays a child's tree over its parent's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .diagnostic import Diagnostic, error
from .nodes import Entry, Mapping, Node, Scalar
from .wording import quoted

TakesNull = Callable[[tuple[str | int, ...]], bool]


def merge(parent: Mapping, child: Mapping, takes_null: TakesNull) -> tuple[Mapping, list[Diagnostic]]:
    """The child over the parent, and LS016 for each null that deletes nothing.

    Mappings merge key by key, at every depth. Everything else (lists, scalars) is replaced by the child. A mapping
    that states another `kind` than the parent's is replaced whole, since the keys of one kind mean nothing to another.
    A null in the child deletes the parent's key, which brings back the schema's default; where `takes_null` says that
    null is a value of the key ("off"), it is that value, as it would be without a parent. Nodes keep their places, so
    one tree may hold places of several files.
    """
    merger = _Merger(takes_null, [])
    return _merge(parent, child, (), merger), merger.problems


@dataclass(frozen=True, slots=True)
class _Merger:
    takes_null: TakesNull
    problems: list[Diagnostic]


def _merge(parent: Mapping, child: Mapping, path: tuple[str | int, ...], merger: _Merger) -> Mapping:
    entries = dict(parent.entries)
    for key, entry in child.entries.items():
        below = parent.entries.get(key)
        if _is_null(entry.value) and not merger.takes_null((*path, key)):
            entries.pop(key, None)
            if below is None:
                merger.problems.append(_nothing_to_delete(key, entry))
        elif below is not None and _mergeable(below.value, entry.value):
            assert isinstance(below.value, Mapping) and isinstance(entry.value, Mapping)
            entries[key] = Entry(entry.key_span, _merge(below.value, entry.value, (*path, key), merger))
        else:
            entries[key] = entry
    return Mapping(entries, child.span)


def _mergeable(below: Node, above: Node) -> bool:
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return False
    return "kind" not in above.entries or _kind(above) == _kind(below)


def _kind(node: Mapping) -> object:
    entry = node.entries.get("kind")
    return entry.value.value if entry is not None and isinstance(entry.value, Scalar) else None


def _is_null(node: Node) -> bool:
    """A null that is written out; nothing after the colon is no deletion but a value that was forgotten."""
    return isinstance(node, Scalar) and node.valid and node.value is None and not node.span.empty


def _nothing_to_delete(key: str, entry: Entry) -> Diagnostic:
    message = f"null deletes {quoted(key)} of the parent, which has no such key"
    return error("LS016", entry.key_span, message, "remove the line, or write the value that is meant")
