"""Plain text tables for terminals and files."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]], indent: str = "  ") -> list[str]:
    """Left-aligned columns, numbers to the right; no trailing blanks."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(header), *cells]) for column in range(len(header))]
    right = [bool(rows) and all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))]
    return [
        (
            indent
            + "  ".join(
                cell.rjust(width) if flush else cell.ljust(width)
                for cell, width, flush in zip(line, widths, right, strict=True)
            )
        ).rstrip()
        for line in [list(header), *cells]
    ]


def _text(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
