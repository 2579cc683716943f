"""The source line of a span with a caret under it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from .files import split_lines
from .span import Span

TAB = "    "
MAX_WIDTH = 100
_BEFORE_CARET = 40
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A line ready to print, and where the caret goes under it (0-based cell, width in cells)."""

    line: str
    caret: int
    width: int


def excerpt(text: str, span: Span) -> Excerpt:
    """The first line of `span`, tabs widened and controls escaped; a long line is cut to a window round the caret."""
    lines = split_lines(text)
    line = lines[span.line - 1] if span.line <= len(lines) else ""
    cells = [_cell(ch) for ch in line]
    start = min(span.column - 1, len(cells))
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    end = max(start, min(end, len(cells)))
    first, last = _window(cells, start)
    end = max(start, min(end, last))
    prefix = _ELLIPSIS if first > 0 else ""
    suffix = _ELLIPSIS if last < len(cells) else ""
    caret = len(prefix) + _width(cells[first:start])
    return Excerpt(prefix + "".join(cells[first:last]) + suffix, caret, max(1, _width(cells[start:end])))


def _window(cells: list[str], start: int) -> tuple[int, int]:
    """Indices of the first and past the last character to show, with `start` among them."""
    first = 0
    if _width(cells) > MAX_WIDTH:
        first = max(0, start - _BEFORE_CARET)
    last, used = first, 0
    while last < len(cells) and used + _width([cells[last]]) <= MAX_WIDTH:
        used += _width([cells[last]])
        last += 1
    return first, last


def _cell(character: str) -> str:
    """What is printed for one character of the source."""
    if character == "\t":
        return TAB
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def _width(cells: list[str]) -> int:
    return sum(_character_width(ch) for cell in cells for ch in cell)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
