"""Renders diagnostics for people, programs and GitHub annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .diagnostic import Diagnostic, Related, Severity
from .excerpt import excerpt
from .span import Span
from .wording import visible

Texts = Mapping[str, str]
Renderer = Callable[[Iterable[Diagnostic], Texts, bool], str]

_COLOURS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m", Severity.NOTE: "\x1b[1;36m"}
_BLUE, _BOLD, _RESET = "\x1b[1;34m", "\x1b[1m", "\x1b[0m"
_GITHUB_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Without exact duplicates, by file, line and column; equal places keep their order."""
    unique = dict.fromkeys(diagnostics)
    return sorted(unique, key=lambda item: (item.span.file, item.span.line, item.span.column))


def render(name: str, diagnostics: Iterable[Diagnostic], texts: Texts, colour: bool = False) -> str:
    """The diagnostics in the format `name` (a key of `RENDERERS`); ends with a newline unless empty."""
    return RENDERERS[name](diagnostics, texts, colour)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning, 1 expected`; "" when there is nothing to say."""
    items = ordered(diagnostics)
    counts = [(sum(d.severity is level and not d.expected for d in items), level.value) for level in Severity]
    parts = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count]
    expected = sum(item.expected for item in items)
    return ", ".join([*parts, f"{expected} expected"] if expected else parts)


def render_text(diagnostics: Iterable[Diagnostic], texts: Texts, colour: bool) -> str:
    """One block a diagnostic: headline, source line with caret, related places, hint; then the summary."""
    items = ordered(diagnostics)
    blocks = ["\n".join(_text_block(item, texts, colour)) for item in items]
    return "".join(f"{block}\n\n" for block in blocks) + f"{summary(items)}\n" if items else ""


def render_json(diagnostics: Iterable[Diagnostic], texts: Texts, colour: bool) -> str:
    """A JSON array of `as_dict`, one diagnostic a line."""
    lines = ",\n".join(json.dumps(as_dict(item), ensure_ascii=False) for item in ordered(diagnostics))
    return f"[\n{lines}\n]\n" if lines else "[]\n"


def render_github(diagnostics: Iterable[Diagnostic], texts: Texts, colour: bool) -> str:
    """Workflow commands, one a line; expected diagnostics become notices."""
    return "".join(f"{_github_line(item)}\n" for item in ordered(diagnostics))


RENDERERS: dict[str, Renderer] = {"text": render_text, "json": render_json, "github": render_github}


def as_dict(item: Diagnostic) -> dict[str, Any]:
    """A diagnostic as plain values."""
    return {
        "code": item.code,
        "severity": item.severity.value,
        **_place(item.span),
        "message": item.message,
        "hint": item.hint,
        "expected": item.expected,
        "related": [{**_place(related.span), "message": related.message} for related in item.related],
    }


def _place(span: Span) -> dict[str, Any]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _text_block(item: Diagnostic, texts: Texts, colour: bool) -> list[str]:
    tint = _COLOURS[Severity.NOTE if item.expected else item.severity]
    word = f"expected {item.severity.value}" if item.expected else item.severity.value
    span = item.span
    place = f"{visible(span.file)}:{span.line}:{span.column}:"
    head = _paint(f"{word}[{item.code}]:", tint, colour)
    gutter = max(len(str(place.line)) for place in (span, *(related.span for related in item.related)))
    lines = [f"{_paint(place, _BOLD, colour)} {head} {item.message}"]
    lines += _excerpt_lines(span, "^", "", texts, _Style(gutter, tint, colour))
    for related in item.related:
        lines += _related_lines(related, span.file, texts, _Style(gutter, _BLUE, colour))
    if item.hint:
        lines.append(f"{' ' * gutter} {_paint('= hint:', _BLUE, colour)} {item.hint}")
    return lines


@dataclass(frozen=True, slots=True)
class _Style:
    """Width of the line-number gutter, colour of the caret, and whether to colour at all."""

    gutter: int
    tint: str
    colour: bool


def _related_lines(related: Related, file: str, texts: Texts, style: _Style) -> list[str]:
    span = related.span
    where = f"{visible(span.file)}:{span.line}:{span.column}"
    head = [] if span.file == file else [f"{' ' * style.gutter} {_paint('-->', _BLUE, style.colour)} {where}"]
    if span.file not in texts:
        return [f"{' ' * style.gutter} {_paint('=', _BLUE, style.colour)} {where}: {related.message}"]
    return head + _excerpt_lines(span, "-", related.message, texts, style)


def _excerpt_lines(span: Span, mark: str, label: str, texts: Texts, style: _Style) -> list[str]:
    if not texts.get(span.file):
        return []
    shown = excerpt(texts[span.file], span)
    bar = _paint("|", _BLUE, style.colour)
    number = _paint(str(span.line).rjust(style.gutter), _BLUE, style.colour)
    under = _paint(f"{mark * shown.width} {label}".rstrip(), style.tint, style.colour)
    return [f"{number} {bar} {shown.line}".rstrip(), f"{' ' * style.gutter} {bar} {' ' * shown.caret}{under}"]


def _paint(text: str, tint: str, colour: bool) -> str:
    return f"{tint}{text}{_RESET}" if colour else text


def _github_line(item: Diagnostic) -> str:
    level = "notice" if item.expected else _GITHUB_LEVELS[item.severity]
    span = item.span
    fields = f"file={_property(span.file)},line={span.line},col={span.column}"
    if span.end_line == span.line and span.end_column > span.column:
        fields += f",endColumn={span.end_column - 1}"
    title = f"{item.code} (expected)" if item.expected else item.code
    message = f"{item.message} ({item.hint})" if item.hint else item.message
    return f"::{level} {fields},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
