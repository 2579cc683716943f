"""What the commands on runs and artifacts tell: faults in one line, with the mend, and what was left to do."""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

import pytest
from support.interruption import interrupt_after

from loopspec.runtime.cli import main, run_arguments
from loopspec.runtime.pipeline import launcher
from loopspec.runtime.train import loop
from loopspec.runtime.train.clock import TrainingClock
from loopspec.runtime.train.launched import LAUNCHED


def test_eval_refuses_a_stride_beyond_the_window_before_it_reads_data(
    artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "val_0.bin").unlink()
    assert main(["eval", str(artifact), "--stride", "1000"]) == 1
    error = capsys.readouterr().err
    assert "stride 1000" in error and "from 1 to the window's 16 tokens" in error and len(error.splitlines()) == 1


def test_unpack_where_nothing_can_be_written(
    artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for folder in (Path("/proc/x"), tmp_path / "file" / "x"):
        assert main(["unpack", str(artifact), "-o", str(folder)]) == 1
        (error,) = capsys.readouterr().err.splitlines()
        assert f"{folder} cannot be written (" in error and error.endswith("; name another folder with -o")


LIMITS = {
    "seconds": ["train.stop={seconds: 1}", "train.schedule={clock: seconds, warmdown_seconds: 0.5}"],
    "tokens": ["train.stop={tokens: 128}", "train.schedule={clock: tokens, warmdown_tokens: 64}"],
    "steps": ["train.checkpoint_every=1"],
}


@pytest.mark.parametrize("sets", LIMITS.values(), ids=LIMITS)
def test_pack_of_a_run_by_any_clock_and_of_one_that_was_stopped(
    sets: list[str], spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = iter(range(1, 1000))
    monkeypatch.setattr(loop, "TrainingClock", partial(TrainingClock, now=lambda: 0.1 * next(looks)))
    folder = tmp_path / "run"
    words = ["train", str(spec), "-o", str(folder), "--device", "cpu"]
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        assert main([*words, *(word for change in sets for word in ("--set", change))]) == 130
    capsys.readouterr()
    assert main(["pack", str(folder)]) == 0
    early = capsys.readouterr()
    assert "weights after step 1\n" in early.err and str(folder / "artifact.loopspec") in early.out
    assert "this run has not come to its end; the artifact holds what there is so far" in early.err
    assert main(["train", "--resume", str(folder)]) == 0
    assert "nothing was left to do" not in capsys.readouterr().err
    assert main(["pack", str(folder)]) == 0
    assert "has not come to its end" not in capsys.readouterr().err


def test_a_run_that_is_over_says_that_nothing_was_left(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(spec), "-o", str(tmp_path / "run")]) == 0
    first = capsys.readouterr()
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    again = capsys.readouterr()
    told = "this run was trained to its end before; nothing was left to do\n"
    assert told in again.err and told not in first.err
    assert first.out.partition(" in ")[0] == again.out.partition(" in ")[0] == f"{tmp_path / 'run'}: 2 steps"
    assert first.out.partition("last loss")[2] == again.out.partition("last loss")[2]


@pytest.mark.parametrize("command", ["train", "run"])
def test_the_way_to_go_on_has_the_processes_that_were_asked_for(
    command: str, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(LAUNCHED, str(os.getppid()))  # so that this process is the one that trains
    interrupt_after(monkeypatch, 1)
    path = tmp_path / "run"
    assert main([command, str(spec), "-o", str(path), "--nproc", "3"]) == 130
    assert capsys.readouterr().err.endswith(f"go on with: loopspec {command} --resume {path} --nproc 3\n")


STRAY = [{"RANK": "0"}, {"RANK": "1"}, {"RANK": "0", "WORLD_SIZE": "1"}, {"LOCAL_RANK": "1", "RANK": "2"}]


@pytest.mark.parametrize("variables", STRAY)
def test_variables_of_no_launcher_neither_keep_processes_from_starting_nor_silence_one(
    variables: dict[str, str],
    spec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    launched: list[tuple[list[str], int]] = []

    def launch(words: list[str], processes: int) -> int:
        launched.append((words, processes))
        return 0

    monkeypatch.setattr(launcher, "launch", launch)
    words = ["train", str(spec), "-o", str(tmp_path / "run")]
    assert main([*words, "--nproc", "2"]) == 0
    ((passed, processes),) = launched
    assert (passed[0], processes) == ("train", 2)
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert "== training tiny" in said.err and said.out.startswith(f"{tmp_path / 'run'}: 2 steps")
    assert len(launched) == 1


def test_several_processes_of_another_launcher_start_no_more(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchrun's: this process is one of two, and waits for the other."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(launcher, "launch", pytest.fail)
    arguments = argparse.Namespace(nproc=2)
    assert run_arguments.launched(arguments, "train", Path("run")) is None
