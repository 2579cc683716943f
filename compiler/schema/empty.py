"""Keys with nothing after their colon: YAML reads null there, which switches a feature off without a word."""

from __future__ import annotations

from collections.abc import Iterator

from ..source.diagnostic import Diagnostic, error
from ..source.nodes import Mapping, Node, Scalar, Sequence
from ..source.span import Span
from ..source.wording import quoted


def check_empty_values(root: Mapping, reported: frozenset[int]) -> list[Diagnostic]:
    """LS021 for each empty value that is not reported already (by the identity of its node)."""
    return [
        error(
            "LS021",
            span,
            f"{quoted(key)} has nothing after its colon",
            "write null to leave it out, or {} for a mapping with all defaults",
        )
        for key, span, node in _entries(root)
        if isinstance(node, Scalar) and node.value is None and not node.text and id(node) not in reported
    ]


def _entries(node: Node) -> Iterator[tuple[str, Span, Node]]:
    if isinstance(node, Mapping):
        for key, entry in node.entries.items():
            yield key, entry.key_span, entry.value
            yield from _entries(entry.value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _entries(item)
