"""A place in a source file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open range of characters in `file`; lines and columns count from 1 in code points, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def empty(self) -> bool:
        """True for a zero-width place, such as the value of `key:`."""
        return (self.line, self.column) == (self.end_line, self.end_column)


def point(file: str, line: int = 1, column: int = 1) -> Span:
    """A zero-width place; without a line and column, the start of the file."""
    return Span(file, line, column, line, column)
