"""Modes by step against the cadences of the published runs."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.compiler.spec.cadence import Phase, Sample, Until
from loopspec.compiler.spec.clock import Stop
from loopspec.compiler.spec.phase_steps import phase_steps, steps_by_mode
from loopspec.compiler.spec.schedule import lr_scale
from loopspec.compiler.spec.train import Schedule, Train
from loopspec.runtime.train.cadence import PhaseFollower

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "schedules.json").read_text())
IS_CRAWL = GOLDEN["is_crawl_by_cadence_steps0_13"]
PATTERNS = {
    "0": ("single",),
    "1": ("full",),
    "2": ("single", "full"),
    "3": ("single", "full", "single"),
    "4": ("single", "full", "single", "single"),
    "6": ("single", "full", "single", "single", "single", "single"),
}
RAMP = (
    Phase(PATTERNS["2"], Until("lr_warmdown", 0.5)),
    Phase(PATTERNS["4"], Until("lr_warmdown", 0.2)),
    Phase(PATTERNS["6"]),
)
CADENCE_OF_PHASE = {"early": "2", "main": "4", "late": "6"}


def make_spec(steps: int, *cadence: Phase, **schedule: Any) -> Any:
    train = Train(3, 8, 8, 1, Stop(steps=steps), Schedule(**schedule), {})
    return SimpleNamespace(cadence=cadence, train=train)


def scale_of(spec: Any, step: int) -> float:
    return lr_scale(spec.train.schedule, spec.train.stop, spec.train.moment(step))


def mode_of(follower: PhaseFollower, spec: Any, step: int, seconds: float = 0.0) -> str:
    return follower.mode_of(spec.train.moment(step, seconds), scale_of(spec, step))


def modes(spec: Any, steps: int, seconds_a_step: float = 0.0) -> list[str]:
    follower = PhaseFollower(spec)
    return [mode_of(follower, spec, step, step * seconds_a_step) for step in range(steps)]


@pytest.mark.parametrize("cadence", PATTERNS)
def test_published_cadences(cadence: str) -> None:
    ran = modes(make_spec(14, Phase(PATTERNS[cadence])), 14)
    assert [mode == "full" for mode in ran] == IS_CRAWL[cadence]


@pytest.mark.parametrize("row", GOLDEN["phase_by_scale"], ids=lambda row: str(row["scale"]))
def test_published_phases_by_multiplier(row: dict[str, Any]) -> None:
    spec = make_spec(100, *RAMP, warmdown_steps=100)
    step = round(100 - 100 * row["scale"])
    assert scale_of(spec, step) == row["scale"]
    follower = PhaseFollower(spec)
    mode_of(follower, spec, step)
    assert ("early", "main", "late")[follower.phase] == row["phase"]


def published_phase(scale: float) -> str:
    return "early" if scale > 0.5 else "main" if scale > 0.2 else "late"


def test_published_ramp_over_the_recorded_steps() -> None:
    spec = make_spec(14, *RAMP, warmdown_steps=14)
    phases = [published_phase(scale_of(spec, step)) for step in range(14)]
    assert [phases.index(name) for name in ("early", "main", "late")] == [0, 7, 12]
    assert [item.first for item in phase_steps(spec.cadence, spec.train)] == [0, 7, 12]
    expected = [IS_CRAWL[CADENCE_OF_PHASE[name]][step] for step, name in enumerate(phases)]
    assert [mode == "full" for mode in modes(spec, 14)] == expected


def test_published_ramp_of_the_recorded_multipliers() -> None:
    rows = [row for row in GOLDEN["lr_mul"] if row["max_wallclock_ms"] is None]
    assert len(rows) == 52
    spec = make_spec(20_000, *RAMP, warmdown_steps=1200)
    for row in rows:
        follower = PhaseFollower(spec)
        mode = mode_of(follower, spec, row["step"])
        cadence = int(CADENCE_OF_PHASE[published_phase(row["scale"])])
        assert (mode == "full") == ((row["step"] - 1) % cadence == 0)
    firsts = [item.first for item in phase_steps(spec.cadence, spec.train)]
    assert firsts == [0, 20_000 - 600, 20_000 - 240]


UNTILS = st.one_of(
    st.builds(Until, st.just("steps"), st.integers(1, 60)),
    st.builds(Until, st.just("tokens"), st.integers(1, 400)),
    st.builds(Until, st.just("fraction"), st.floats(0.01, 1)),
    st.builds(Until, st.just("lr_warmdown"), st.floats(0, 1)),
    st.builds(Until, st.just("seconds"), st.floats(0.1, 60)),
)
PHASES = st.builds(Phase, st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple), UNTILS)


@given(phases=st.lists(PHASES, max_size=4), up=st.integers(0, 9), down=st.integers(0, 60), floor=st.floats(0, 1))
def test_the_plan_says_what_the_run_does(phases: list[Phase], up: int, down: int, floor: float) -> None:
    sample = Sample("core", (1, 4), "uniform", None, 4)
    spec = make_spec(50, *phases, Phase(sample=sample), warmup_steps=up, warmdown_steps=down, floor=floor)
    follower, ran, where = PhaseFollower(spec), [], []
    for step in range(50):
        ran.append(mode_of(follower, spec, step, 1.0 * step))
        where.append(follower.phase)
    assert where == sorted(where)
    planned = phase_steps(spec.cadence, spec.train)
    for index, item in enumerate(planned):
        steps = [step for step in range(50) if where[step] == index]
        assert all(step >= item.earliest for step in steps)
        if item.steps is not None:
            assert list(item.steps) == steps
    counts = steps_by_mode(spec)
    assert (counts is None) == any(phase.until.kind == "seconds" for phase in phases if phase.until)
    if counts is not None:
        assert counts == {mode: ran.count(mode) for mode in counts} and sum(counts.values()) == 50


def test_a_phase_that_the_clock_ended_stays_ended() -> None:
    spec = make_spec(50, Phase(("a",), Until("seconds", 10.0)), Phase(("b",)))
    follower = PhaseFollower(spec)
    ran = [mode_of(follower, spec, step, seconds) for step, seconds in enumerate((9.9, 10.0, 3.0))]
    assert ran == ["a", "b", "b"]
    resumed = PhaseFollower(spec, follower.phase)
    assert mode_of(resumed, spec, 3) == "b"


def test_phases_whose_end_has_come_are_passed_over() -> None:
    cadence = [Phase(("a",), Until("seconds", 10.0)), Phase(("b",), Until("steps", 4)), Phase(("c", "d"))]
    assert modes(make_spec(50, *cadence), 7, seconds_a_step=2.0) == ["a", "a", "a", "a", "a", "d", "c"]
    assert modes(make_spec(50, *cadence), 7, seconds_a_step=5.0) == ["a", "a", "b", "b", "c", "d", "c"]
