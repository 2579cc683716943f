"""When something starts, and how often it comes, against a plain walk over the steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler.spec.averaging import (
    CLOCK,
    first_step,
    quantization_aware_steps,
    starting_share,
    static_scale,
    step_at_share,
    update_count,
)
from loopspec.compiler.spec.clock import Stop, share_done
from loopspec.compiler.spec.train import Average, QuantizationAware, Schedule, Start, Train

STARTS = st.builds(
    Start,
    lr_scale=st.none() | st.floats(0.01, 1.0),
    step=st.none() | st.integers(0, 60),
    fraction=st.none() | st.integers(0, 100).map(lambda percent: percent / 100),
)


def make_train(stop: Stop, schedule: Schedule, **changes: Any) -> Train:
    return Train(1, 8, 8, 1, stop, schedule, {}, **changes)


def walked(start: Start, train: Train, total: int) -> int | None:
    for step in range(total):
        low = start.lr_scale is None or (
            step >= train.schedule.warmup_steps and static_scale(train, step) < start.lr_scale
        )
        late = step >= (start.step or 0) and 100 * step >= round(100 * (start.fraction or 0)) * total
        if low and late:
            return step
    return None


@examples(200)
@given(
    start=STARTS,
    up=st.integers(0, 20),
    hold=st.integers(0, 50),
    down=st.integers(0, 50),
    floor=st.floats(0, 1),
    total=st.integers(1, 50),
    tokens=st.booleans(),
)
def test_first_step_is_the_first_at_which_all_holds(
    start: Start, up: int, hold: int, down: int, floor: float, total: int, tokens: bool
) -> None:
    by_steps = make_train(Stop(steps=total), Schedule("steps", up, hold, down, floor=floor))
    by_tokens = make_train(Stop(tokens=8 * total), Schedule("tokens", up, hold, warmdown_tokens=8 * down, floor=floor))
    train = by_tokens if tokens else by_steps
    assert first_step(start, train) == walked(start, train, total)


def test_the_published_late_start() -> None:
    """A multiplier below 0.15 of a warm-down of 3,500 steps: the last 524 of 4,400."""
    train = make_train(Stop(steps=4400), Schedule(warmdown_steps=3500))
    assert quantization_aware_steps(train) == 0
    assert quantization_aware_steps(replace(train, quantization_aware=QuantizationAware(Start(0.15)))) == 524


def test_a_decimal_counts_as_written() -> None:
    """0.07 * 100 is 7.000000000000001 in binary."""
    train = make_train(Stop(steps=100), Schedule())
    assert step_at_share(train, 0.07) == 7
    assert [share_done(train.stop, "steps", train.moment(step), 0.07) for step in (6, 7)] == [False, True]


LATE = Average("swa", every=3, start=Start(fraction=0.5))


@pytest.mark.parametrize(
    ("stop", "schedule", "known"),
    [
        (Stop(steps=30), Schedule(), True),
        (Stop(tokens=240), Schedule("tokens"), True),
        (Stop(seconds=9.0), Schedule("seconds"), False),
        (Stop(seconds=9.0, steps=30), Schedule("seconds"), False),
        (Stop(seconds=9.0, steps=30), Schedule(), False),  # it may end before the steps do
    ],
)
def test_the_clock_leaves_counts_open(stop: Stop, schedule: Schedule, known: bool) -> None:
    train = make_train(stop, schedule, quantization_aware=QuantizationAware(Start(fraction=0.5)))
    counts = [update_count(LATE, train), quantization_aware_steps(train)]
    assert counts == ([5, 15] if known else [CLOCK, CLOCK])
    ema = Average("ema", 0.5, debias=True, start_step=28)
    assert (update_count(ema, train), starting_share(ema, train)) == ((2, 0.25) if known else (CLOCK, CLOCK))


def test_a_start_beyond_every_other_limit_is_never_reached() -> None:
    """That much is known though seconds may end the run earlier."""
    aware = QuantizationAware(Start(step=30))
    assert quantization_aware_steps(make_train(Stop(seconds=9.0, steps=30), Schedule(), quantization_aware=aware)) == 0
