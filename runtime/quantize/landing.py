"""Finds the coarseness at which a size, which falls with it, lands just under a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .errors import QuantizeError

MOST_TRIALS = 24
CLOSE = 2.0**-14
"""Two coarsenesses, binary logarithms of a step, are not told apart below this."""


@dataclass(frozen=True, slots=True)
class Window:
    """Sizes that are good enough, in bytes, and the coarsenesses (log2 of the step) among which to look for them."""

    least: int
    limit: int
    finest: float
    coarsest: float

    def holds(self, size: float) -> bool:
        """Whether the size is good enough."""
        return self.least <= size <= self.limit


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a search ended.

    Attributes:
        size: real bytes there, within the limit.
        trials: how many real sizes were measured.
        at_end: this is the finest coarseness, so that `size` may lie below what was wanted.
    """

    coarseness: float
    size: int
    trials: int
    at_end: bool


def land(real: Callable[[float], int], estimate: Callable[[float], float], window: Window) -> Landing:
    """The largest real size found within the limit: one in the window, or else one next to the limit.

    `estimate` is cheap and near `real`; it gives the first place and the slope. Then Newton's method on the real size,
    within the bracket that was measured.

    Raises:
        QuantizeError: not even the coarsest fits the limit.
    """
    aim = (window.least + window.limit) / 2
    low, high = window.finest, window.coarsest
    measured: dict[float, int] = {}
    place, slope = _solve(estimate, aim, window)
    best: Landing | None = None
    for trial in range(1, MOST_TRIALS + 1):
        size = real(place)
        slope = _secant(slope, measured, place, size)
        measured[place] = size
        found = Landing(place, size, trial, place == window.finest)
        if size <= window.limit and (best is None or size > best.size):
            best = found
        if window.holds(size) or (found.at_end and size <= window.limit):
            return found
        low, high = (place, high) if size > window.limit else (low, place)
        if high - low <= CLOSE:
            break
        newton = min(max(place - (size - aim) / slope, low), high)
        place = (low + high) / 2 if newton in measured else newton
    if best is None:
        raise QuantizeError(
            f"the coarsest grid still takes {size:,} bytes of {window.limit:,}; "
            "raise the budget or make the model smaller"
        )
    return Landing(best.coarseness, best.size, trial, best.at_end)


def _secant(slope: float, measured: dict[float, int], place: float, size: int) -> float:
    """The slope to the last place measured, at most four times more or less steep than before, for sizes are noisy."""
    if not measured:
        return slope
    last, before = next(reversed(measured.items()))
    found = (size - before) / (place - last)
    return max(min(found, slope / 4), slope * 4)


def _solve(estimate: Callable[[float], float], size: float, window: Window) -> tuple[float, float]:
    """Where the falling `estimate` is about `size`, or the nearer end; and its slope there, in bytes an octave."""
    low, high = window.finest, window.coarsest
    above, below = estimate(low) - size, estimate(high) - size
    # an octave is about a bit a weight, and the fall is nearly straight over a quarter of one
    while above > 0 > below and high - low > 1 / 4:
        place = (low + high) / 2
        found = estimate(place) - size
        if found > 0:
            low, above = place, found
        else:
            high, below = place, found
    slope = min((below - above) / (high - low), -1.0)
    return min(max(low - above / slope, low), high), slope
