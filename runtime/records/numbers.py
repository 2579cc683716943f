"""Figures as text."""

from __future__ import annotations

from .readings import Clock

_SUFFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
NONE = "-"
CLOCK_NAMES: dict[Clock, str] = {
    "steps": "steps",
    "tokens": "tokens",
    "flops": "FLOPs",
    "seconds": "seconds as recorded",
}


def score(value: float | None) -> str:
    """A loss or bits per byte: four decimals."""
    return NONE if value is None else f"{value:.4f}"


def count(value: float | None) -> str:
    """A whole number with commas."""
    return NONE if value is None else f"{round(value):,}"


def seconds(value: float | None) -> str:
    """Seconds with one decimal."""
    return NONE if value is None else f"{value:,.1f}"


def compact(value: float | None) -> str:
    """Four significant digits and a suffix: 1.229M; k, M, G, T, P and E are powers of 1000."""
    if value is None:
        return NONE
    for size, suffix in _SUFFIXES:
        if abs(value) >= size:
            return f"{value / size:.4g}{suffix}"
    return f"{value:.4g}"


def on_clock(clock: Clock, value: float) -> str:
    """A position: steps in full, seconds with one decimal, tokens and FLOPs compact."""
    if clock == "steps":
        return count(value)
    return seconds(value) if clock == "seconds" else compact(value)
