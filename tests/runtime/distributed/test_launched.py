"""`--nproc` and torchrun as a user has them: real processes, signals from outside, and what they print."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.forge import TESTS
from support.recipe_run import STEPS, assert_close_run, last_step, records_of

pytestmark = pytest.mark.torture

LONG = ("--set", "train.stop.steps=20000", "--set", "train.checkpoint_every=5")


def start(folder: Path, *words: str | Path, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(TESTS / "_dev"), "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    command = [sys.executable, *(launcher or ("-m", "loopspec.runtime.cli")), *map(str, words)]
    with (folder / "err").open("w") as err:
        # a shell starts what is to run behind it with SIGINT ignored, and children inherit that
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=err,
            stderr=err,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    STARTED.append(process)
    return process


STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """What a failed test has started would train on for hours."""
    yield
    for process in STARTED:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    STARTED.clear()


def wait_until_trained(process: subprocess.Popen[str], run: Path, steps: int) -> None:
    until = time.monotonic() + 180
    while last_step(run) < steps:
        assert process.poll() is None and time.monotonic() < until, (run.parent / "err").read_text()
        time.sleep(0.05)


def ranks_of(process: subprocess.Popen[str]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()  # an orphan whose new parent does not reap


def said(folder: Path) -> str:
    text = (folder / "err").read_text()
    for noise in ("Traceback", "Warning", "[W", "[E", "[rank", "terminate called"):
        assert noise not in text, text
    return text


@pytest.mark.parametrize("rank", [1, 0])
def test_a_killed_rank_ends_the_run_with_one_message(spec: Path, tmp_path: Path, rank: int) -> None:
    run = tmp_path / "run"
    process = start(tmp_path, "train", spec, "-o", run, "--nproc", "2", *LONG)
    wait_until_trained(process, run, 10)
    ranks = ranks_of(process)
    os.kill(ranks[rank], signal.SIGKILL)
    assert process.wait(15) == 1
    assert all(map(gone, ranks))
    message = f"loopspec: process {rank} of 2 was killed by SIGKILL; all have ended, and the run can be resumed"
    assert [line for line in said(tmp_path).splitlines() if line.startswith("loopspec:")] == [message]
    before = last_step(run)
    process = start(tmp_path, "train", "--resume", run)
    wait_until_trained(process, run, before + 5)
    process.terminate()
    assert process.wait(15) == 130
    said(tmp_path)


@pytest.mark.parametrize("how", ["terminal", "launcher", "terminate"])
def test_a_signal_stops_all_ranks_after_the_step(spec: Path, tmp_path: Path, how: str) -> None:
    run = tmp_path / "run"
    process = start(tmp_path, "train", spec, "-o", run, "--nproc", "2", *LONG)
    wait_until_trained(process, run, 10)
    ranks = ranks_of(process)
    if how == "terminal":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT if how == "launcher" else signal.SIGTERM)
    assert process.wait(15) == 130
    assert all(map(gone, ranks))
    text = said(tmp_path)
    assert text.count("stopping after this step; once more aborts at once") == 1
    assert text.count(f"go on with: loopspec train --resume {run} --nproc 2\n") == 1
    assert last_step(run) == records_of(run)[-1]["step"]


def test_ranks_whose_launcher_is_gone_stop_with_a_checkpoint(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(tmp_path, "train", spec, "-o", run, "--nproc", "2", *LONG)
    wait_until_trained(process, run, 10)
    ranks = ranks_of(process)
    process.kill()
    process.wait()
    until = time.monotonic() + 15
    while not all(map(gone, ranks)):
        assert time.monotonic() < until
        time.sleep(0.05)
    said(tmp_path)
    assert last_step(run) == records_of(run)[-1]["step"]


def test_torchrun_trains_the_same(spec: Path, tmp_path: Path) -> None:
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "loopspec.runtime.cli")
    process = start(tmp_path, "train", spec, "-o", tmp_path / "two", launcher=torchrun)
    assert process.wait(180) == 0, (tmp_path / "err").read_text()
    said(tmp_path)
    one = start(tmp_path, "train", spec, "-o", tmp_path / "one")
    assert one.wait(180) == 0
    assert_close_run(tmp_path / "one", tmp_path / "two")
    assert len(records_of(tmp_path / "two")) == sum(STEPS.values())
