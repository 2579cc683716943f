"""When training is over, and by which clock."""

from __future__ import annotations

import pytest

from loopspec.compiler.spec.clock import Moment, Stop, share_done


@pytest.mark.parametrize(
    ("moment", "ended_by"),
    [
        (Moment(0, 0, 0.0), None),
        (Moment(9, 639, 49.9), None),
        (Moment(10, 0, 0.0), "steps"),
        (Moment(0, 640, 0.0), "tokens"),
        (Moment(0, 0, 50.0), "seconds"),
        (Moment(10, 640, 50.0), "steps"),
    ],
)
def test_the_first_limit_ends_it(moment: Moment, ended_by: str | None) -> None:
    stop = Stop(steps=10, tokens=640, seconds=60.0, reserve_seconds=10.0)
    assert stop.reached(moment) == ended_by


def test_the_reserve_is_of_the_seconds_alone() -> None:
    stop = Stop(steps=10, seconds=60.0, reserve_seconds=10.0)
    assert [stop.limit(clock) for clock in ("steps", "tokens", "seconds")] == [10, None, 50.0]
    assert Stop(steps=10, reserve_seconds=10.0).training_seconds is None


def test_shares_go_by_the_clock_that_is_named() -> None:
    stop, moment = Stop(steps=100, tokens=1000, seconds=30.0, reserve_seconds=10.0), Moment(7, 500, 5.0)
    shares = {
        clock: [share for share in (0.07, 0.25, 0.5, 0.51) if share_done(stop, clock, moment, share)]
        for clock in ("steps", "tokens", "seconds")
    }
    assert shares == {"steps": [0.07], "tokens": [0.07, 0.25, 0.5], "seconds": [0.07, 0.25]}
