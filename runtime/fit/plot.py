"""The search as a picture: parameters against needed bytes, each budget a line; hand-written SVG."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from xml.sax.saxutils import escape

from .candidate import Candidate
from .result import FitResult

LEFT, RIGHT, TOP, BOTTOM, WIDTH, HEIGHT = 72, 20, 48, 52, 640, 400
FITS, OVER, BEST = "#4477aa", "#bbbbbb", "#ee6677"  # Tol's bright: colour-blind


def fit_svg(result: FitResult) -> str:
    """A dot for every candidate that was tried; those of the frontier are joined, the best is ringed."""
    tried = result.frontier.tried
    x, y = (
        _Scale(max((candidate.parameters for candidate in tried), default=1), LEFT, WIDTH - RIGHT),
        _Scale(max([*result.targets, *(c.needed_bytes for c in tried)]), HEIGHT - BOTTOM, TOP),
    )
    title = f"{result.spec}: what fits {result.budget_text}"
    limits = sorted({y.at(target) for target in result.targets})
    edge = sorted(result.edge, key=lambda candidate: candidate.parameters)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
            *_grid(x, y),
            *(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="{BEST}" stroke-dasharray="5 3"/>' for at in limits),
            *_dots(result, [c for c in tried if not c.fits], x, y, OVER),
            *_dots(result, [c for c in tried if c.fits], x, y, FITS),
            *_path(edge, x, y),
            *([_ring(result.edge[0], x, y)] if result.edge else []),
            "</svg>\n",
        ]
    )


class _Scale:
    """From values, from 0 to at least `largest` and at least 1, to pixels."""

    def __init__(self, largest: float, start: float, end: float) -> None:
        largest = max(largest, 1)
        power = 10.0 ** floor(log10(largest / 4))
        self.tick = next(factor * power for factor in (1, 2, 5, 10) if largest / (factor * power) <= 6)
        self.limit = ceil(largest / self.tick) * self.tick
        self.start, self.end = start, end

    def at(self, value: float) -> float:
        return self.start + (self.end - self.start) * value / self.limit

    def ticks(self) -> list[float]:
        return [self.tick * number for number in range(round(self.limit / self.tick) + 1)]


def _grid(x: _Scale, y: _Scale) -> list[str]:
    lines = []
    for value in y.ticks():
        at = y.at(value)
        lines.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end" fill="#444444">{_short(value)}</text>')
    for value in x.ticks():
        base = HEIGHT - BOTTOM + 16
        lines.append(f'<text x="{x.at(value):.1f}" y="{base}" text-anchor="middle">{_short(value)}</text>')
    lines.append(f'<text x="{LEFT}" y="{TOP - 10}" font-weight="bold">bytes needed</text>')
    lines.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 14}" text-anchor="end" font-weight="bold">parameters</text>')
    return lines


def _dots(result: FitResult, candidates: Sequence[Candidate], x: _Scale, y: _Scale, colour: str) -> list[str]:
    return [
        f'<circle cx="{x.at(candidate.parameters):.1f}" cy="{y.at(candidate.needed_bytes):.1f}" r="3.5" '
        f'fill="{colour}"><title>{escape(", ".join(result.sets(candidate)))}</title></circle>'
        for candidate in candidates
    ]


def _path(edge: Sequence[Candidate], x: _Scale, y: _Scale) -> list[str]:
    if len(edge) < 2:
        return []
    points = "L".join(f"{x.at(item.parameters):.1f} {y.at(item.needed_bytes):.1f}" for item in edge)
    return [f'<path d="M{points}" fill="none" stroke="{FITS}"/>']


def _ring(best: Candidate, x: _Scale, y: _Scale) -> str:
    place = f'cx="{x.at(best.parameters):.1f}" cy="{y.at(best.needed_bytes):.1f}"'
    return f'<circle {place} r="7" fill="none" stroke="{BEST}" stroke-width="2"/>'


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
