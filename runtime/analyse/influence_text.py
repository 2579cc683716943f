"""Influences for a reader."""

from __future__ import annotations

from textwrap import wrap

from ...compiler.tables import table
from .influence import Influence, Measured, PositionInfluence

WIDTH = 80
_SHORTEST_BAR = 8

_DEFINITIONS = """\
BI: 1 - mean cosine between the stream that enters a position and the one that leaves it (ShortGPT, arXiv 2403.03853);
angle: mean of arccos(cosine) / pi (arXiv 2403.17887); +-: standard deviation over batches; bars: BI"""


def influence_text(influence: Influence, weights: str, tokens: str) -> str:
    """A title, the definitions, and a row with a bar for each position; 80 columns wide but for very long names."""
    heading = [
        f"influence of {influence.plan.spec.name}, mode {influence.mode}",
        *wrap(f"weights {weights}; {tokens}", WIDTH, initial_indent="  ", subsequent_indent="  "),
        *wrap(_DEFINITIONS, WIDTH, initial_indent="  ", subsequent_indent="  "),
        "",
    ]
    return "\n".join([*heading, *_table(influence), *_remarks(influence)]) + "\n"


def _table(influence: Influence) -> list[str]:
    header = ("position", "stage", "loop", "block", "BI", "+-", "angle", "+-")
    lines = table(header, [_row(row) for row in influence.positions])
    width = max(len(line) for line in lines)
    room = max(WIDTH - width - 2, _SHORTEST_BAR)
    largest = max((row.influence.mean for row in influence.positions if row.influence is not None), default=0.0)
    bars = [_bar(row, largest, room) for row in influence.positions]
    return [lines[0], *(f"{line.ljust(width)}  {bar}".rstrip() for line, bar in zip(lines[1:], bars, strict=True))]


def _row(row: PositionInfluence) -> tuple[object, ...]:
    position = row.position
    return position.index, position.stage, position.loop, position.block, *_figure(row.influence), *_figure(row.angle)


def _figure(measured: Measured | None) -> tuple[str, str]:
    if measured is None:
        return "-", "-"
    return f"{measured.mean:.4f}", "-" if measured.deviation is None else f"{measured.deviation:.4f}"


def _bar(row: PositionInfluence, largest: float, room: int) -> str:
    return "" if row.influence is None or not largest else "#" * round(row.influence.mean / largest * room)


def _remarks(influence: Influence) -> list[str]:
    lines = []
    for row in influence.positions:
        index = row.position.index
        if row.batches < influence.batches:
            lines.append(f"  position {index} ran in {row.batches} of {influence.batches} batches")
        if row.undirected:
            lines.append(f"  position {index}: {row.undirected:,} tokens left out, whose stream is zero")
    return lines
