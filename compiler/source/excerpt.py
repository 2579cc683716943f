"""The source line of a span with a caret under it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from .files import split_lines
from .span import Span

TAB = "    "
MAX_WIDTH = 100
_BEFORE_CARET = 40
_ELLIPSIS = "…"
_NEAR = (
    150  # characters on each side of the caret that are looked at, so that a long line costs no more than a short one
)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A line ready to print, and where the caret goes under it (0-based cell, width in cells)."""

    line: str
    caret: int
    width: int


def excerpt(text: str, span: Span) -> Excerpt:
    """The first line of `span`, tabs widened and controls escaped; a long line is cut to a window round the caret."""
    lines = _lines(text)
    whole = lines[span.line - 1] if span.line <= len(lines) else ""
    begin = min(span.column - 1, len(whole))
    end = span.end_column - 1 if span.end_line == span.line else len(whole.rstrip())
    skipped = max(0, begin - _NEAR)
    line = whole[skipped : begin + _NEAR]
    cells = [_cell(ch) for ch in line]
    start = begin - skipped
    first, last = _window(cells, start)
    end = max(start, min(end - skipped, last))
    prefix = _ELLIPSIS if skipped + first > 0 else ""
    suffix = _ELLIPSIS if skipped + last < len(whole) else ""
    caret = len(prefix) + _width(cells[first:start])
    return Excerpt(prefix + "".join(cells[first:last]) + suffix, caret, max(1, _width(cells[start:end])))


@lru_cache(maxsize=16)
def _lines(text: str) -> tuple[str, ...]:
    return tuple(split_lines(text))


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
