"""Rows of text in aligned columns."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 79
GAP = "  "


def column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """A line for each row; the first `left` columns are flush left, the others flush right."""
    widths = column_widths(rows)
    return [GAP.join(_cell(text, widths[k], k < left) for k, text in enumerate(row)).rstrip() for row in rows]


def shortened(text: str, width: int) -> str:
    """`text`, cut in its middle where it is longer than `width`."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _cell(text: str, width: int, flush_left: bool) -> str:
    return text.ljust(width) if flush_left else text.rjust(width)
