"""Which clock ends training, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.compiler.spec.clock import Moment, Stop
from loopspec.runtime.train.eta import eta_seconds

NOW = Moment(step=100, tokens=6400, seconds=50.0)  # half a second and 64 tokens a step


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (Stop(steps=200), (50.0, "steps")),
        (Stop(tokens=9600), (25.0, "tokens")),
        (Stop(seconds=60), (10.0, "seconds")),
        (Stop(seconds=60, reserve_seconds=4), (6.0, "seconds")),
        (Stop(steps=200, tokens=9600, seconds=60), (10.0, "seconds")),
        (Stop(steps=200, tokens=9600, seconds=600), (25.0, "tokens")),
        (Stop(steps=110, tokens=9600, seconds=600), (5.0, "steps")),
        (Stop(steps=100, seconds=600), (0.0, "steps")),
    ],
)
def test_the_first_clock_to_end_governs(stop, expected):
    assert eta_seconds(stop, NOW) == expected


def test_the_pace_is_the_present_one():
    before = Moment(step=90, tokens=5760, seconds=30.0)  # two seconds a step since
    assert eta_seconds(Stop(steps=110), NOW, before) == (20.0, "steps")


def test_without_a_pace_only_seconds_can_be_told():
    start = Moment(step=5, tokens=320, seconds=7.0)
    assert eta_seconds(Stop(steps=10), start, start) is None
    assert eta_seconds(Stop(steps=10, seconds=60), start, start) == (53.0, "seconds")


@given(st.integers(1, 1000), st.integers(1, 1000), st.floats(0.01, 1000))
def test_going_on_at_the_pace_comes_true(step, more, pace):
    found = eta_seconds(Stop(steps=step + more), Moment(step, step * 8, step * pace))
    assert found is not None and found[0] == pytest.approx(more * pace) and found[1] == "steps"
