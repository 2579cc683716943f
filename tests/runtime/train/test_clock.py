"""The training clock, and the accounts of what is not on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.runtime.train.clock import TrainingClock


class Hand:
    """A time that stands until it is moved on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_counts_only_while_it_runs() -> None:
    now = Hand()
    clock = TrainingClock(100.0, now=now)
    now.seconds = 5.0
    assert clock.seconds() == 100.0
    clock.start()
    now.seconds = 8.0
    with clock.paused("saving"):
        now.seconds = 15.0
        assert clock.seconds() == 103.0
    now.seconds = 17.0
    assert clock.seconds() == 105.0
    now.seconds = 25.0
    clock.stop()
    assert clock.seconds() == 113.0
    with clock.paused("validation"):
        now.seconds = 26.0
    assert clock.seconds() == 113.0
    assert clock.elsewhere == {"saving": 7.0, "validation": 1.0}


def test_accounts_go_on_after_a_resume_and_take_what_a_failure_spent() -> None:
    now = Hand()
    clock = TrainingClock(3.0, {"saving": 2.0}, now)
    clock.start()
    with pytest.raises(OSError, match="full"), clock.paused("saving"):
        now.seconds = 4.0
        raise OSError("full")
    now.seconds = 6.0
    assert (clock.seconds(), clock.elsewhere) == (5.0, {"saving": 6.0})


def test_started_twice_is_a_fault() -> None:
    clock = TrainingClock()
    clock.start()
    with pytest.raises(AssertionError, match="runs already"):
        clock.start()


@given(st.lists(st.tuples(st.sampled_from(("steps", "validation", "saving")), st.integers(0, 1000)), max_size=20))
def test_all_time_is_in_one_account(spans: list[tuple[str, int]]) -> None:
    now = Hand()
    clock = TrainingClock(now=now)
    clock.start()
    for what, seconds in spans:
        if what == "steps":
            now.seconds += seconds
        else:
            with clock.paused(what):
                now.seconds += seconds
    sums = {what: sum(seconds for name, seconds in spans if name == what) for what, _ in spans}
    assert clock.seconds() == sums.pop("steps", 0)
    assert clock.elsewhere == sums
    assert clock.seconds() + sum(clock.elsewhere.values()) == now.seconds
