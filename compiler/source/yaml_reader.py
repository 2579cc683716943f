"""Strict YAML with places: events of libyaml become a bounded tree, faults become diagnostics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import yaml

from .diagnostic import Diagnostic, Related, error
from .files import character_problems
from .nodes import Entry, Mapping, Node, Scalar, Sequence
from .scalars import NumberError, resolve_plain
from .span import Span, point
from .syntax_errors import syntax_problem
from .wording import quoted

MAX_DEPTH = 32
MAX_NODES = 100_000
MAX_KEY_LENGTH = 128

_Event: TypeAlias = Any  # PyYAML types no field of its events
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same events, only slower, without libyaml


@dataclass(frozen=True, slots=True)
class Parsed:
    """The tree of one text (None when parsing could not go on to the end) and the problems found on the way."""

    node: Node | None
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class _Anchor:
    """An anchored node; `node` is None while it is still being read. `size` counts nodes after expansion."""

    span: Span
    node: Node | None = None
    size: int = 0
    height: int = 0


class _StopError(Exception):
    """Ends the parse with a diagnostic: a bound was passed."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def parse_yaml(text: str, file: str) -> Parsed:
    """Parse one YAML document; user errors are diagnostics LS003 to LS013, never exceptions."""
    problems = character_problems(text, file)
    if problems:
        return Parsed(None, tuple(problems))
    reader = _Reader(yaml.parse(text, Loader=_LOADER), file)
    try:
        node = reader.document()
    except _StopError as stop:
        return Parsed(None, (*reader.problems, stop.diagnostic))
    except yaml.YAMLError as fault:
        return Parsed(None, (*reader.problems, syntax_problem(fault, text, file)))
    return Parsed(node, tuple(reader.problems))


class _Reader:
    """Builds the tree from the event stream, counting nodes and depth as it goes."""

    def __init__(self, events: Iterator[_Event], file: str) -> None:
        self.problems: list[Diagnostic] = []
        self._events = events
        self._file = file
        self._anchors: dict[str, _Anchor] = {}
        self._count = 0
        self._deepest = 0

    def document(self) -> Node:
        """The root node of the only document."""
        next(self._events)  # stream start
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            raise _StopError(
                error("LS005", point(self._file), "there is nothing in this file", "start with `spec_version: 1`")
            )
        self._check_directives(start)
        root = self._node(next(self._events), 1)
        next(self._events)  # document end
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            hint = "keep one spec in a file; `extends` builds one spec on another"
            self._problem("LS006", self._span(following), "a second document starts here", hint)
        return root

    def _check_directives(self, event: _Event) -> None:
        if event.tags or (event.version is not None and tuple(event.version) != (1, 2)):
            hint = "remove the lines that start with `%`; a spec is read as YAML 1.2"
            self._problem("LS006", self._span(event), "a directive changes how this file is read", hint)

    def _node(self, event: _Event, depth: int) -> Node:
        span = self._span(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), span, depth)
        self._spend(1, depth, span)
        self._check_tag(event, span)
        name = event.anchor
        if name is None:
            return self._content(event, span, depth)
        self._open_anchor(name, span)
        count, deepest = self._count, self._deepest
        self._deepest = depth
        node = self._content(event, span, depth)
        self._anchors[name] = _Anchor(span, node, self._count - count + 1, self._deepest - depth)
        self._deepest = max(deepest, self._deepest)
        return node

    def _content(self, event: _Event, span: Span, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, span)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, span, depth)
        return self._mapping(event, span, depth)

    def _scalar(self, event: _Event, span: Span) -> Scalar:
        text: str = event.value
        untagged = event.tag is None  # a tag has been refused, and may have been meant to change the type
        if event.style:  # quoted or block
            return Scalar(text, span, text, untagged)
        try:
            return Scalar(resolve_plain(text), span, text, untagged)
        except NumberError as fault:
            self._problem("LS013", span, f"{quoted(text)} cannot be used: {fault}", "write a finite number")
            return Scalar(None, span, text, valid=False)

    def _sequence(self, start: _Event, span: Span, depth: int) -> Sequence:
        items: list[Node] = []
        event = next(self._events)
        while not isinstance(event, yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
            event = next(self._events)
        last = items[-1].span if items else span
        return Sequence(tuple(items), self._whole(start, span, event, last))

    def _mapping(self, start: _Event, span: Span, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        last = span
        event = next(self._events)
        while not isinstance(event, yaml.MappingEndEvent):
            merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and not event.style
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            last = key.span if value.span.empty else value.span
            if merge:
                hint = "use `extends` to build on another spec, or repeat the keys"
                self._problem("LS011", key.span, "the merge key `<<` is not part of YAML 1.2", hint)
            elif self._key_is_fine(key, entries):
                assert isinstance(key, Scalar) and isinstance(key.value, str)
                entries[key.value] = Entry(key.span, value)
            event = next(self._events)
        return Mapping(entries, self._whole(start, span, event, last))

    def _key_is_fine(self, key: Node, entries: dict[str, Entry]) -> bool:
        if not isinstance(key, Scalar):
            self._problem("LS009", key.span, "a key must be text, not a list or a mapping", "write `name: value`")
        elif not isinstance(key.value, str):
            if key.valid:
                hint = f'put it in quotes: `"{key.text}":`' if key.text else "write `name: value`"
                self._problem("LS009", key.span, f"the key {quoted(key.text)} is not text", hint)
        elif len(key.value) > MAX_KEY_LENGTH:
            self._problem("LS009", key.span, f"this key has more than {MAX_KEY_LENGTH} characters", "use a short name")
        elif key.value in entries:
            first = Related(entries[key.value].key_span, "first written here")
            message = f"the key {quoted(key.value)} is written twice"
            self.problems.append(error("LS008", key.span, message, "keep one of the two", (first,)))
        else:
            return True
        return False

    def _alias(self, name: str, span: Span, depth: int) -> Node:
        anchor = self._anchors.get(name)
        if anchor is None:
            self._problem("LS012", span, f"no anchor `&{name}` comes before this alias", f"write `&{name}` first")
        elif anchor.node is None:
            related = (Related(anchor.span, "the anchor"),)
            message = f"the alias `*{name}` stands inside what it repeats"
            self.problems.append(error("LS012", span, message, "a spec cannot contain itself", related))
        else:
            self._spend(anchor.size, depth + anchor.height, span)
            return replace(anchor.node, span=span)
        self._spend(1, depth, span)
        return Scalar(None, span, f"*{name}", valid=False)

    def _open_anchor(self, name: str, span: Span) -> None:
        first = self._anchors.get(name)
        if first is not None:
            related = (Related(first.span, "first used here"),)
            self.problems.append(error("LS012", span, f"the anchor `&{name}` is used twice", "rename one", related))
        self._anchors[name] = _Anchor(span)

    def _check_tag(self, event: _Event, span: Span) -> None:
        if event.tag is not None:
            hint = "remove the tag; put a value in quotes to make it text"
            self._problem("LS010", span, f"the tag {quoted(event.tag)} is not allowed", hint)

    def _spend(self, nodes: int, depth: int, span: Span) -> None:
        self._count += nodes
        self._deepest = max(self._deepest, depth)
        if depth > MAX_DEPTH:
            raise _StopError(
                error("LS007", span, f"this is nested more than {MAX_DEPTH} levels deep", "flatten the file")
            )
        if self._count > MAX_NODES:
            message = f"the file has more than {MAX_NODES:,} values once its aliases are expanded"
            raise _StopError(error("LS007", span, message, "repeat less with `*alias`"))

    def _whole(self, start: _Event, span: Span, end: _Event, last: Span) -> Span:
        """The place of a collection; a block's end mark lies after blank lines, so the last item ends it."""
        if start.flow_style:
            last = self._span(end)
        return replace(span, end_line=last.end_line, end_column=last.end_column)

    def _span(self, event: _Event) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self._file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _problem(self, code: str, span: Span, message: str, hint: str) -> None:
        self.problems.append(error(code, span, message, hint))
