"""The search for a size just under a limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.runtime.quantize import QuantizeError
from loopspec.runtime.quantize.landing import MOST_TRIALS, Landing, Window, land

FINEST, COARSEST = -20.0, 12.0


def curve(weights: int, fixed: int, wobble: float, place: float) -> int:
    """Bytes of so many weights at log2 step `place`: about a bit less for each octave, with noise."""
    bits = max(7.0 - max(place + 15, 0), 2.0 ** -max(place + 9, 0) * 0.8, 0.0)
    noise = wobble * (hash((weights, round(place * 4096))) % 200 - 100) / 100
    return round(fixed + weights * bits / 8 * (1 + noise))


@given(
    weights=st.integers(20_000, 30_000_000),
    fixed=st.integers(1_000, 100_000),
    bits=st.floats(0.3, 6.5),
    bias=st.floats(0.9, 1.1),
)
def test_a_size_in_the_window_is_found_in_few_trials(weights: int, fixed: int, bits: float, bias: float) -> None:
    limit = round(fixed + weights * bits / 8)
    window = Window(limit - max(400, round(4e-4 * limit)), limit, FINEST, COARSEST)
    landing = land(
        lambda place: curve(weights, fixed, 5e-6, place), lambda place: bias * curve(weights, fixed, 0.0, place), window
    )
    assert window.holds(landing.size)
    assert landing.size == curve(weights, fixed, 5e-6, landing.coarseness)
    assert landing.trials <= 16  # the curve has kinks that no real one has; those take 1 to 4


def test_a_limit_that_nothing_fills_ends_at_the_finest_grid() -> None:
    window = Window(10**9 - 400, 10**9, FINEST, COARSEST)
    landing = land(lambda place: curve(10**6, 0, 0, place), lambda place: curve(10**6, 0, 0, place), window)
    assert landing == Landing(FINEST, 875_000, 1, at_end=True)


def test_a_limit_below_the_coarsest_is_refused() -> None:
    window = Window(100, 500, FINEST, COARSEST)
    with pytest.raises(QuantizeError, match=r"the coarsest grid still takes 1,000 bytes of 500; raise the budget"):
        land(lambda place: curve(10**6, 1000, 0, place), lambda place: curve(10**6, 1000, 0, place), window)


def test_a_step_over_the_window_gives_the_largest_that_fits() -> None:
    """A size that jumps from 2,000 to 1,000 never meets 1,400 to 1,500."""

    def jump(place: float) -> int:
        return 2_000 if place < 1 / 3 else 1_000

    landing = land(jump, jump, Window(1_400, 1_500, FINEST, COARSEST))
    assert landing.size == 1_000 and not landing.at_end and landing.trials <= MOST_TRIALS
