"""Influences as a picture: two rows of bars, one a definition, hand-written SVG."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from xml.sax.saxutils import escape

from .influence import Influence, Measured

_LEFT, _RIGHT, _TOP, _PANEL, _GAP, _BOTTOM = 56, 16, 52, 150, 40, 56
_BAR, _WIDE, _LABELS = 48, 900, 40
"""Pixels of a bar and its gap, and of all bars, at most; labels that fit without crowding."""

_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")  # Tol's bright: colour-blind


def influence_svg(influence: Influence) -> str:
    """Bars of BI above bars of the angular distance, by position; whiskers are one standard deviation over batches.

    Positions that run the same block have the same colour, and the block's number is below each.
    """
    rows = influence.positions
    step = max(4.0, min(_BAR, _WIDE / len(rows)))
    width = max(_LEFT + _RIGHT + step * len(rows), 460)
    height = _TOP + 2 * _PANEL + _GAP + _BOTTOM
    title = f"Influence of {influence.plan.spec.name}, mode {influence.mode}, {influence.batches} batches"
    panels = (
        ("BI: 1 - mean cosine", [row.influence for row in rows]),
        ("angle: mean arccos(cosine) / pi", [row.angle for row in rows]),
    )
    colours = _colours([row.position.block for row in rows])
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height}" '
            f'viewBox="0 0 {width:g} {height}" font-family="sans-serif" font-size="11">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width:g}" height="{height}" fill="#ffffff"/>',
            f'<text x="{_LEFT}" y="20" font-size="14">{escape(title)}</text>',
            *_panel(*panels[0], _TOP, step, colours),
            *_panel(*panels[1], _TOP + _PANEL + _GAP, step, colours),
            *_labels(influence, step, height),
            "</svg>\n",
        ]
    )


def _colours(blocks: Sequence[str]) -> list[str]:
    order = {block: number for number, block in enumerate(dict.fromkeys(blocks))}
    return [_COLOURS[order[block] % len(_COLOURS)] for block in blocks]


def _panel(name: str, values: Sequence[Measured | None], top: int, step: float, colours: Sequence[str]) -> list[str]:
    ends = [value.mean + (value.deviation or 0.0) for value in values if value is not None]
    limit, tick = _scale(max(ends, default=0.0))
    base, right = top + _PANEL, _LEFT + step * len(values)
    lines = [f'<text x="{_LEFT}" y="{top - 8}" font-weight="bold">{escape(name)}</text>']
    for number in range(round(limit / tick) + 1):
        y = base - _PANEL * number * tick / limit
        lines.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
        label = f"{number * tick:.4g}"
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#444444">{label}</text>')
    for number, (value, colour) in enumerate(zip(values, colours, strict=True)):
        if value is not None:
            lines += _bar(value, _LEFT + step * number, base, step, _PANEL / limit, colour)
    return lines


def _bar(value: Measured, left: float, base: int, step: float, factor: float, colour: str) -> list[str]:
    size, middle = value.mean * factor, left + step / 2
    lines = [
        f'<rect x="{left + step * 0.12:.1f}" y="{base - size:.1f}" width="{step * 0.76:.1f}" height="{size:.1f}" '
        f'fill="{colour}"/>'
    ]
    if value.deviation:
        low, high = (base - max(value.mean + sign * value.deviation, 0.0) * factor for sign in (-1, 1))
        lines.append(f'<path d="M{middle:.1f} {low:.1f}V{high:.1f}" stroke="#222222"/>')
    return lines


def _labels(influence: Influence, step: float, height: int) -> list[str]:
    """Position above block, as many as fit."""
    rows = influence.positions
    every = ceil(len(rows) / _LABELS)
    base = height - _BOTTOM
    lines = []
    for number, row in enumerate(rows[::every]):
        middle = _LEFT + step * (number * every + 0.5)
        block = row.position.block.rpartition(".")[2]
        lines.append(f'<text x="{middle:.1f}" y="{base + 15}" text-anchor="middle">{row.position.index}</text>')
        lines.append(
            f'<text x="{middle:.1f}" y="{base + 29}" text-anchor="middle" fill="#777777" font-size="9">{block}</text>'
        )
    lines.append(f'<text x="{_LEFT - 6}" y="{base + 15}" text-anchor="end" fill="#444444">position</text>')
    lines.append(f'<text x="{_LEFT - 6}" y="{base + 29}" text-anchor="end" fill="#777777" font-size="9">block</text>')
    return lines


def _scale(largest: float) -> tuple[float, float]:
    """End of an axis from 0, and the distance of its ticks: 1, 2 or 5 times a power of ten, four to eight of them."""
    if largest <= 0:
        return 1.0, 0.25
    power = 10.0 ** floor(log10(largest / 4))
    tick = next(factor * power for factor in (1, 2, 5, 10) if largest / (factor * power) <= 6)
    return ceil(largest / tick) * tick, tick
