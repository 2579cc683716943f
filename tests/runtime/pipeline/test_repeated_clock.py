"""`--clock-from`: what it refuses before anything is begun, and a repeat that is stopped and resumed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from support.interruption import interrupt_after
from support.recipe_run import assert_same_run

from loopspec.compiler import load_plan
from loopspec.compiler.plan import Plan
from loopspec.runtime.pipeline.repeated_clock import clock_to_repeat, resumed_clock
from loopspec.runtime.pipeline.run_options import RunOptions
from loopspec.runtime.pipeline.session import training_session
from loopspec.runtime.pipeline.training import Trained
from loopspec.runtime.train import loop
from loopspec.runtime.train.clock import TrainingClock
from loopspec.runtime.train.errors import MetricsError, RunFolderError, TrainingError
from loopspec.runtime.train.metrics import read_records
from loopspec.runtime.train.run_folder import RunFolder

TIMED = [
    "train.stop={seconds: 9}",
    "train.schedule={clock: seconds, warmup_steps: 1, warmdown_seconds: 4}",
    "train.finish=[{kind: replay, batches: 2, epochs: 1}]",
]


def tick(monkeypatch: pytest.MonkeyPatch, pace: float) -> None:
    """A clock that goes on by `pace` seconds at each look at it."""
    looks = [0]

    def now() -> float:
        looks[0] += 1
        return pace * looks[0]

    monkeypatch.setattr(loop, "TrainingClock", partial(TrainingClock, now=now))


def trained(plan: Plan, path: Path, **options: Any) -> Trained:
    with training_session(plan, path, RunOptions(device="cpu", **options)) as session:
        return session.trained


@pytest.fixture
def timed(spec: Path) -> Plan:
    return load_plan(spec, TIMED)


@pytest.mark.parametrize("steps", [4, 10])
def test_a_repeat_that_is_stopped_and_resumed_is_the_run(
    timed: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Amid training, and amid the replay after it; on a machine that is several times slower."""
    tick(monkeypatch, 0.5)
    first = trained(timed, tmp_path / "first").result
    assert (first.ended_by, first.stages) == ("seconds", {"main": 9, "replay": 2})
    tick(monkeypatch, 2.0)
    again = trained(timed, tmp_path / "again", clock_from=tmp_path / "first")
    with monkeypatch.context() as patch:
        interrupt_after(patch, steps)
        stopped = trained(timed, tmp_path / "stopped", clock_from=tmp_path / "first")
        assert (stopped.result.outcome, stopped.result.step) == ("interrupted", steps)
    (tmp_path / "first").rename(tmp_path / "gone")  # the folder keeps what it needs
    resumed = trained(timed, tmp_path / "stopped", resume=True)
    assert resumed.result.stages == again.result.stages == first.stages
    assert_same_run(tmp_path / "gone", tmp_path / "again")
    assert_same_run(tmp_path / "again", tmp_path / "stopped")
    assert all(torch.equal(again.last[name], weight) for name, weight in resumed.last.items())
    records = read_records(tmp_path / "stopped" / "metrics.jsonl")
    began = [record["began_seconds"] for record in records]
    assert json.loads((tmp_path / "stopped" / "clock.json").read_text()) == began
    assert all(map(math.isfinite, began))


def test_a_start_that_failed_leaves_no_clock_to_the_next(
    timed: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(monkeypatch, 0.5)
    first = trained(timed, tmp_path / "first").result
    path = tmp_path / "run"
    path.mkdir()
    (path / "clock.json").write_text("[0.0, 100.0]")
    assert trained(timed, path).result.stages == first.stages
    assert not (path / "clock.json").exists()


def _no_seconds(spec: Path, source: Path) -> Plan:
    return load_plan(spec)


def _other_recipe(spec: Path, source: Path) -> Plan:
    return load_plan(spec, [*TIMED, "train.batch_tokens=64"])


def _unfinished(spec: Path, source: Path) -> Plan:
    latest = source / "checkpoints" / "latest"
    latest.write_text("step-000000002.ckpt\n")
    return load_plan(spec, TIMED)


def _no_run(spec: Path, source: Path) -> Plan:
    (source / "spec.yaml").unlink()
    return load_plan(spec, TIMED)


def _half_a_log(spec: Path, source: Path) -> Plan:
    log = source / "metrics.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    return load_plan(spec, TIMED)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_no_seconds, TrainingError, r"--clock-from: train\.stop gives no seconds, so .* leave it out"),
        (_other_recipe, TrainingError, r"first: it was trained by another recipe: train\.batch_tokens differs"),
        (_unfinished, TrainingError, "first: its training did not come to its end; resume it first"),
        (_half_a_log, TrainingError, "first: its training did not come to its end; resume it first"),
        (_no_run, RunFolderError, r"first holds no run: there is no .*spec\.yaml"),
    ],
)
def test_what_cannot_be_repeated_is_refused_before_data_are_read(
    timed: Plan,
    spec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, Path], Plan],
    error: type[Exception],
    message: str,
) -> None:
    tick(monkeypatch, 0.5)
    every = load_plan(spec, [*TIMED, "train.checkpoint_every=1", "train.keep_checkpoints=9"])
    trained(every, tmp_path / "first")
    plan = change(spec, tmp_path / "first")
    (tmp_path / "train_0.bin").unlink()
    with pytest.raises(error, match=message):
        trained(plan, tmp_path / "run", clock_from=tmp_path / "first")
    assert not (tmp_path / "run").exists()


def test_keys_that_move_no_step_may_differ(
    timed: Plan, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that was due after the last step is no sign of a run that did not come to its end."""
    tick(monkeypatch, 0.5)
    every = load_plan(spec, [*TIMED[:2], "train.checkpoint_every=1", "train.log_every=1"])
    trained(every, tmp_path / "first")
    began = clock_to_repeat(load_plan(spec, TIMED[:2]), tmp_path / "first")
    assert list(began) == [r["began_seconds"] for r in read_records(tmp_path / "first" / "metrics.jsonl")]


@pytest.mark.parametrize(
    "text", [b"", b"[0.0, ", b"null", b'{"0": 1.0}', b'[0.0, "one"]', b"[]", b"\xff", b"[" * 100_000]
)
def test_a_damaged_clock_is_one_error(
    timed: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes
) -> None:
    (tmp_path / "spec.yaml").touch()
    with RunFolder(tmp_path, resume=True, event=pytest.fail) as folder:
        assert resumed_clock(folder) is None
        folder.clock.write_bytes(text)
        with pytest.raises(MetricsError, match=r"clock\.json was damaged \(.*\); start a new run with --clock-from"):
            resumed_clock(folder)
