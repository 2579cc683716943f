"""Phases in a run: what a stop or a kill and a resume must not change, also where the clock ends a phase."""

import os
import signal
from pathlib import Path

import pytest
import torch
from tiny_run import CountingBatches, make_plan, make_train, run
from torch import Tensor

from loopspec.compiler.spec.cadence import Phase, Sample, Until
from loopspec.compiler.spec.phase_steps import phase_steps, steps_by_mode
from loopspec.runtime.train import loop
from loopspec.runtime.train.checkpoint import decode
from loopspec.runtime.train.clock import TrainingClock
from loopspec.runtime.train.metrics import read_records

STEPS = 30
BY_THE_CLOCK = (
    Phase(("full", "single"), Until("seconds", 6.0)),
    Phase(("single",), Until("steps", 20)),
    Phase(("full",)),
)
BY_THE_SCHEDULE = (Phase(("single", "full"), Until("lr_warmdown", 0.75)), Phase(("full", "full", "single")))
SAMPLED = (Phase(sample=Sample("core", (1, 2), "uniform", None, 2)),)


class Killed(BaseException):
    """Nothing of the run comes after it, no checkpoint either."""


class Ticking(CountingBatches):
    """A clock that gains half a second with every batch; stops or kills the run in step `stop`."""

    def __init__(self, stop: int | None = None, *, kill: bool = False) -> None:
        super().__init__()
        self.now = 0.0
        self._stop, self._kill = stop, kill

    def take(self, *shape):
        batch = super().take(*shape)
        self.now += 0.5
        if self._stop is not None and self.position == 2 * self._stop:
            if self._kill:
                raise Killed
            os.kill(os.getpid(), signal.SIGTERM)
        return batch


def train(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cadence: tuple[Phase, ...],
    stop: int | None = None,
    *,
    kill: bool = False,
    resume: bool = False,
) -> tuple[dict[str, Tensor], list[str]]:
    """The last weights, and the mode of every step so far."""
    batches = Ticking(stop, kill=kill)
    monkeypatch.setattr(
        loop, "TrainingClock", lambda seconds=0.0, elsewhere=(): TrainingClock(seconds, elsewhere, lambda: batches.now)
    )
    _result, last, _averaged = run(path, make_train(STEPS), batches=batches, cadence=cadence, resume=resume)
    return last, [str(record["mode"]) for record in read_records(path / "metrics.jsonl")]


Run = tuple[dict[str, Tensor], list[str]]
CADENCES = {"clock": BY_THE_CLOCK, "schedule": BY_THE_SCHEDULE, "sampled": SAMPLED}


@pytest.fixture(scope="module")
def straight_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Of each cadence, what nothing stopped."""
    with pytest.MonkeyPatch.context() as patch:
        return {
            name: train(tmp_path_factory.mktemp(name) / "straight", patch, cadence)
            for name, cadence in CADENCES.items()
        }


@pytest.mark.parametrize("stop", [3, 6, 7, 19, 20])
@pytest.mark.parametrize("kind", CADENCES)
def test_stopped_and_resumed_is_bit_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, straight_runs: dict[str, Run], kind: str, stop: int
) -> None:
    cadence, (straight, modes) = CADENCES[kind], straight_runs[kind]
    _, before = train(tmp_path / "stopped", monkeypatch, cadence, stop)
    assert before == modes[:stop]
    resumed, again = train(tmp_path / "stopped", monkeypatch, cadence, resume=True)
    assert again == modes
    assert straight.keys() == resumed.keys() and all(torch.equal(straight[name], resumed[name]) for name in straight)


@pytest.mark.parametrize("kind", ["clock", "schedule"])
@pytest.mark.parametrize("step", [8, 24])
def test_killed_and_resumed_from_an_earlier_phase_is_bit_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, straight_runs: dict[str, Run], kind: str, step: int
) -> None:
    """The checkpoints of steps 5 and 20 lie before the phases begin in which the run was killed."""
    cadence, (straight, modes) = CADENCES[kind], straight_runs[kind]
    with pytest.raises(Killed):
        train(tmp_path / "killed", monkeypatch, cadence, step, kill=True)
    resumed, again = train(tmp_path / "killed", monkeypatch, cadence, resume=True)
    assert again == modes
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


def test_the_clock_and_the_schedule_begin_phases_where_they_should(straight_runs: dict[str, Run]) -> None:
    _, modes = straight_runs["clock"]
    assert modes == ["full", "single"] * 3 + ["single"] * 14 + ["full"] * 10  # a step takes a second
    _, modes = straight_runs["schedule"]
    plan = make_plan(make_train(STEPS), cadence=BY_THE_SCHEDULE)
    first = phase_steps(plan.spec.cadence, plan.spec.train)[1].first
    assert first == 23  # 0.1 + 0.9 * 7 / 10 is 0.73, a step before it is 0.82
    assert modes == [("single", "full")[step % 2] for step in range(23)] + ["single"] + ["full", "full", "single"] * 2


def test_the_plan_counts_the_steps_that_a_run_takes(straight_runs: dict[str, Run]) -> None:
    for name in ("schedule", "sampled"):
        _, modes = straight_runs[name]
        counts = steps_by_mode(make_plan(make_train(STEPS), cadence=CADENCES[name]).spec)
        assert counts == {mode: modes.count(mode) for mode in set(modes)}
        assert len(counts) == 2


def test_a_phase_begun_is_not_left_though_the_clock_of_a_resume_lags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint holds the phase, not only the seconds that began it."""
    train(tmp_path, monkeypatch, BY_THE_CLOCK, stop=7)
    restored = TrainingClock
    batches = Ticking()
    monkeypatch.setattr(
        loop, "TrainingClock", lambda seconds=0.0, elsewhere=(): restored(0.0, elsewhere, lambda: batches.now)
    )
    run(tmp_path, make_train(STEPS), batches=batches, cadence=BY_THE_CLOCK, resume=True)
    modes = [record["mode"] for record in read_records(tmp_path / "metrics.jsonl")]
    assert modes[6:20] == ["single"] * 14


def test_the_checkpoint_names_the_phase_of_its_last_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stop, phase in ((6, 0), (7, 1), (20, 1), (21, 2)):
        path = tmp_path / str(stop)
        train(path, monkeypatch, BY_THE_CLOCK, stop)
        file = path / "checkpoints" / f"step-{stop:09d}.ckpt"
        checkpoint = decode(file.read_bytes(), torch.device("cpu"), file, "")
        assert checkpoint.itinerary["main"]["phase"] == phase
