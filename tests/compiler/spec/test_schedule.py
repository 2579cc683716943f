"""The learning-rate multiplier: against the published runs by steps and by the wall clock, and its shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.compiler.spec.clock import Moment, Stop
from loopspec.compiler.spec.schedule import lr_scale
from loopspec.compiler.spec.train import Schedule

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "schedules.json").read_text())["lr_mul"]
PEER_STEPS = 20_000  # iterations of those runs where no wall clock ends them
HOLD_STEPS = {"run8": 51}  # the crawler's scripts hold while step <= 50


def recorded(row: dict[str, Any]) -> tuple[Schedule, Stop, Moment]:
    """What a recorded row was run with, and when its step began."""
    moment = Moment(row["step"], 0, row["elapsed_ms"] / 1000)
    length = {"warmdown_steps": row["warmdown_iters"]}
    if row["max_wallclock_ms"] is None:
        return Schedule(**length), Stop(steps=PEER_STEPS), moment
    schedule = Schedule("seconds", hold_steps=HOLD_STEPS.get(row["peer"], 0), **length)
    return schedule, Stop(seconds=row["max_wallclock_ms"] / 1000), moment


@pytest.mark.parametrize("peer", ["pr498", "run8", "gs7", "baseline"])
@pytest.mark.parametrize("cap", [600_000.0, 150_000.0, None], ids=["600 s", "150 s", "steps"])
def test_published_runs(peer: str, cap: float | None) -> None:
    rows = [row for row in GOLDEN if row["peer"] == peer and row["max_wallclock_ms"] == cap]
    assert len(rows) == (26 if cap == 600_000.0 else 13)
    for row in rows:
        schedule, stop, moment = recorded(row)
        assert lr_scale(schedule, stop, moment) == pytest.approx(row["scale"], abs=1e-12), row


def test_the_goldens_fall_and_hold() -> None:
    """What is compared above is not all ones, and the hold is what tells the peers apart."""
    assert len(GOLDEN) == 208
    assert {row["peer"] for row in GOLDEN if row["step"] == 1 and row["max_wallclock_ms"] and row["scale"] == 1.0} == {
        "run8"
    }
    fallen = [row for row in GOLDEN if row["max_wallclock_ms"] and 0.0 < row["scale"] < 1.0]
    assert len(fallen) > 40


def test_a_reserve_brings_the_end_nearer() -> None:
    schedule, moment = Schedule("seconds", warmdown_seconds=100.0), Moment(10, 0, 500.0)
    assert lr_scale(schedule, Stop(seconds=600.0), moment) == 1.0
    assert lr_scale(schedule, Stop(seconds=600.0, reserve_seconds=60.0), moment) == 0.4


def by_steps(schedule: Schedule, total: int, step: int) -> float:
    return lr_scale(schedule, Stop(steps=total), Moment(step, 0, 0.0))


def test_warmup_hold_warmdown() -> None:
    schedule = Schedule(warmup_steps=4, warmdown_steps=5, floor=0.1)
    scales = [by_steps(schedule, 20, step) for step in range(21)]
    assert scales[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert scales[15:] == pytest.approx([1.0, 0.82, 0.64, 0.46, 0.28, 0.1])


def test_the_same_schedule_by_each_clock() -> None:
    """A step of 64 tokens and a quarter of a second: three ways to say one thing."""
    ways = (
        (Schedule("steps", 4, warmdown_steps=5, floor=0.1), Stop(steps=20)),
        (Schedule("tokens", 4, warmdown_tokens=320, floor=0.1), Stop(tokens=1280)),
        (Schedule("seconds", 4, warmdown_seconds=1.25, floor=0.1), Stop(seconds=5.0)),
        (Schedule("seconds", 4, warmdown_steps=5, floor=0.1), Stop(seconds=5.0)),
    )
    for step in range(21):
        moment = Moment(step, 64 * step, 0.25 * step)
        first, *others = [lr_scale(schedule, stop, moment) for schedule, stop in ways]
        assert others == pytest.approx([first] * 3)


def test_the_mean_pace_sets_the_length_in_steps() -> None:
    """Twice as slow, twice as long."""
    schedule, stop = Schedule("seconds", warmdown_steps=100), Stop(seconds=600.0)
    assert lr_scale(schedule, stop, Moment(1000, 0, 500.0)) == 1.0  # 100 s to go, the last 100 steps take 50
    assert lr_scale(schedule, stop, Moment(250, 0, 500.0)) == 0.5


SCHEDULES = st.builds(
    Schedule,
    clock=st.just("steps"),
    warmup_steps=st.integers(0, 30),
    hold_steps=st.integers(0, 40),
    warmdown_steps=st.integers(0, 30),
    floor=st.floats(0, 1),
)


@given(schedule=SCHEDULES, total=st.integers(1, 40), data=st.data())
def test_scale_stays_in_range_and_bends_once(schedule: Schedule, total: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, total - 1))
    up, down = schedule.warmup_steps, schedule.warmdown_steps
    here, after = by_steps(schedule, total, step), by_steps(schedule, total, step + 1)
    assert 0.0 <= here <= 1.0 + 1e-12
    if step >= up and step >= total - down:
        assert after <= here + 1e-12
    if step + 1 < up and step + 1 <= max(total - down, schedule.hold_steps - 1):
        assert after >= here
    if up <= step < max(total - down, schedule.hold_steps):
        assert here == 1.0
