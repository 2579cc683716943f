"""outcome.json: how a run ended, and what a listing makes of it."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_run import CADENCE, make_train, make_trainer, run

from loopspec.compiler.spec.train import Finish
from loopspec.runtime.records.run_record import read_run
from loopspec.runtime.train.errors import TrainingError
from loopspec.runtime.train.itinerary import Itinerary
from loopspec.runtime.train.job import RunResult
from loopspec.runtime.train.loop import Trainer
from loopspec.runtime.train.order import StepOrder

SPEC = "name: tiny\nmodel: {dim: 8}\ntrain:\n  stop: {steps: 8}\n  schedule: {}\n"
TRAIN = make_train(8, finish=(Finish("replay", 0.1, batches=4, epochs=1),), checkpoint_every=0)


class Killed(BaseException):
    """As kill -9: nothing of the program hears of it."""


def go(path: Path, *, resume: bool = False) -> RunResult:
    path.mkdir(exist_ok=True)
    result = run(path, TRAIN, resume=resume, cadence=CADENCE)[0]
    (path / "spec.yaml").write_text(SPEC)
    return result


def told(path: Path) -> dict[str, Any]:
    outcome: dict[str, Any] = json.loads((path / "outcome.json").read_text())
    return outcome


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, action: Any) -> None:
    """Does something before step `step`, counted from 1, is taken."""
    advance = Trainer._advance

    def advanced(self: Trainer, order: StepOrder) -> None:
        if self._step + 1 == step:
            action()
        advance(self, order)

    monkeypatch.setattr(Trainer, "_advance", advanced)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def fail() -> None:
    raise TrainingError("not finite")


def kill() -> None:
    raise Killed


def test_a_run_that_came_to_its_end_was_trained(tmp_path: Path) -> None:
    go(tmp_path / "run")
    assert told(tmp_path / "run") == {"outcome": "finished", "step": 12}
    assert read_run(tmp_path / "run").state == "trained"


@pytest.mark.parametrize("step", [3, 8, 10])
def test_stopped_by_a_signal_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """In the replay too, whose records are beyond the steps of the spec; resumed, it is as one that never stopped."""
    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        at_step(patch, step, interrupt)
        assert go(path).outcome == "interrupted"
    assert told(path) == {"outcome": "interrupted", "step": step}
    assert read_run(path).state == "interrupted"
    assert go(path, resume=True).outcome == "finished"
    assert read_run(path).state == "trained"


def test_a_fault_is_a_failure_whatever_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right after a checkpoint, which is what an interruption leaves too."""
    path = tmp_path / "run"
    path.mkdir()
    (path / "spec.yaml").write_text(SPEC)
    at_step(monkeypatch, 6, fail)
    with pytest.raises(TrainingError, match="not finite"):
        run(path, replace(TRAIN, checkpoint_every=5), resume=True)
    assert told(path) == {"outcome": "failed", "step": 5}
    assert read_run(path).state == "failed"


@pytest.mark.parametrize(("step", "state"), [(3, "interrupted"), (10, "interrupted")])
def test_killed_it_leaves_no_word_and_none_of_the_process_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, state: str
) -> None:
    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        at_step(patch, 2, interrupt)
        go(path)
    assert told(path)["outcome"] == "interrupted"
    seen: list[bool] = []

    def look_and_die() -> None:
        seen.append((path / "outcome.json").exists())
        assert read_run(path).state == "running"
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        at_step(monkeypatch, step, look_and_die)
        try:
            go(path, resume=True)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert not (path / "outcome.json").exists()
    assert read_run(path).state == state


def test_a_run_by_a_clock_that_tells_nothing_more_records_its_own(tmp_path: Path) -> None:
    """Every number in the log is finite, or it could not be read."""
    trainer, _, folder = make_trainer(tmp_path, TRAIN, seconds_of=lambda step: 0.0 if step < 8 else float("inf"))
    with folder:
        assert trainer.run().stages == {"main": 8, "replay": 4}
    began = [json.loads(line)["began_seconds"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert began[:8] == [0.0] * 8 and all(0.0 < seconds < 1000.0 for seconds in began[8:])


@pytest.mark.parametrize("every", [1, 4, 0])
@pytest.mark.parametrize("finish", [True, False])
def test_the_last_checkpoint_is_of_a_run_that_is_over(tmp_path: Path, every: int, finish: bool) -> None:
    """Also where one was due after the last step, before the end was seen."""
    train = replace(TRAIN, checkpoint_every=every, finish=TRAIN.finish if finish else ())
    trainer, _, folder = make_trainer(tmp_path, train)
    with folder:
        trainer.run()
    resumed, _, folder = make_trainer(tmp_path, train, resume=True)
    with folder:
        itinerary: Itinerary = resumed._itinerary
        assert itinerary.over
        result = resumed.run()
    assert result.resumed_step == result.step == (12 if finish else 8)
