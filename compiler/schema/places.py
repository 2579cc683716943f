"""The places of a document: each value with its node, its name, and the schemas that apply to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..source.nodes import Mapping, Node, Plain, Sequence, to_plain, value_span
from ..source.span import Span
from . import Schema
from .defaults import fill_selectors
from .fragments import applying, free_key_schemas, item_schemas, property_schemas
from .validator import YamlPath


@dataclass(frozen=True, slots=True)
class Place:
    """A value, and how messages name it ("" for the whole spec). `key_span` is None at the root and in lists.

    `plain` holds the defaults of absent keys that select a variant, `node` does not.
    """

    node: Node
    plain: Plain
    parts: list[Schema]
    span: Span
    name: str = ""
    key_span: Span | None = None


@dataclass(slots=True)
class Places:
    """Finds places by path, each once."""

    schema: Schema
    root: Mapping
    _known: dict[YamlPath, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plain = fill_selectors(to_plain(self.root), self.schema)
        self._known[()] = Place(self.root, plain, applying(self.schema, [self.schema], plain), self.root.span)

    def at(self, path: YamlPath) -> Place:
        """The place at a path that exists."""
        if path not in self._known:
            self._known[path] = self._below(self.at(path[:-1]), path[-1])
        return self._known[path]

    def _below(self, above: Place, step: str | int) -> Place:
        if isinstance(step, str):
            assert isinstance(above.node, Mapping) and isinstance(above.plain, dict)
            entry, plain = above.node.entries[step], above.plain[step]
            schemas = property_schemas(above.parts).get(step) or free_key_schemas(above.parts, step) or []
            name = f"{above.name}.{step}" if above.name else step
            parts = applying(self.schema, schemas, plain)
            return Place(entry.value, plain, parts, value_span(entry), name, entry.key_span)
        assert isinstance(above.node, Sequence) and isinstance(above.plain, list)
        node, plain = above.node.items[step], above.plain[step]
        span = above.span if node.span.empty else node.span
        parts = applying(self.schema, item_schemas(above.parts, step), plain)
        return Place(node, plain, parts, span, f"{above.name}[{step}]")
