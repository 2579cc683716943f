"""The launcher, with small programs in the place of training: what it passes on, whom it blames, what it leaves."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from support.forge import TESTS

from loopspec.runtime.train.launched import PEER_GONE

LAUNCH = """
import sys
from loopspec.runtime.pipeline import launcher
from loopspec.runtime.train.errors import TrainingError
launcher.GRACE_SECONDS = 0.5
sys.executable = sys.argv[1]
try:
    code = launcher.launch(["train"], int(sys.argv[2]))
except TrainingError as error:
    print(f"loopspec: {error}", file=sys.stderr)
    code = 1
assert "torch" not in sys.modules  # it would be in memory beside the processes that need it
sys.exit(code)
"""


def program(folder: Path, body: str) -> Path:
    """An executable that runs `body`, which knows its `rank`, and leaves its process id in a file."""
    path = folder / "program"
    lines = [
        f"#!{sys.executable} -S",
        "import os, signal, sys, time",
        "rank = int(os.environ['RANK'])",
        f"open(f'{folder}/pid-{{rank}}', 'w').write(str(os.getpid()))",
    ]
    path.write_text("\n".join(lines) + "\n" + textwrap.dedent(body))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def start(folder: Path, body: str, ranks: int = 2) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(TESTS / "_dev")}
    command = [sys.executable, "-c", LAUNCH, str(program(folder, body)), str(ranks)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], folder: Path) -> tuple[int, str, str]:
    """Exit code and both streams; no process of the run is left."""
    out, err = process.communicate(timeout=200)
    for file in folder.glob("pid-*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)
    return process.returncode, out, err


def wait_for_ranks(folder: Path, ranks: int) -> None:
    until = time.monotonic() + 200
    while sum(bool(file.read_text()) for file in folder.glob("pid-*")) < ranks:
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(0.1)


def test_only_the_first_process_is_heard(tmp_path: Path) -> None:
    process = start(tmp_path, "print(f'out {rank}'); print(f'err {rank}', file=sys.stderr)", 3)
    assert finish(process, tmp_path) == (0, "out 0\n", "err 0\n")


def test_a_killed_process_is_named_and_ends_the_others(tmp_path: Path) -> None:
    process = start(tmp_path, "os.kill(os.getpid(), 9) if rank == 1 else time.sleep(60)")
    message = "loopspec: process 1 of 2 was killed by SIGKILL; all have ended, and the run can be resumed\n"
    assert finish(process, tmp_path) == (1, "", message)


def test_the_first_process_may_be_the_one(tmp_path: Path) -> None:
    process = start(tmp_path, f"os.kill(os.getpid(), 9) if rank == 0 else sys.exit({PEER_GONE})")
    message = "loopspec: process 0 of 2 was killed by SIGKILL; all have ended, and the run can be resumed\n"
    assert finish(process, tmp_path) == (1, "", message)


def test_what_another_process_failed_with_is_shown(tmp_path: Path) -> None:
    body = f"""
        if rank == 0: time.sleep(0.1); sys.exit({PEER_GONE})
        print('loopspec: no such thing', file=sys.stderr); sys.exit(2)
    """
    code, out, err = finish(start(tmp_path, body), tmp_path)
    assert (code, out) == (1, "")
    assert err == (
        "loopspec: process 1 of 2 ended with exit code 2; all have ended, and the run can be resumed\n"
        "  loopspec: no such thing\n"
    )


def test_a_fault_that_all_have_is_told_once(tmp_path: Path) -> None:
    body = "time.sleep(0.2 * (rank == 0)); print('loopspec: does not divide', file=sys.stderr); sys.exit(1)"
    assert finish(start(tmp_path, body, 3), tmp_path) == (1, "", "loopspec: does not divide\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_every_process_once(tmp_path: Path, number: signal.Signals) -> None:
    body = """
        got = []
        for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, lambda n, f: got.append(n))
        while not got: time.sleep(0.01)
        time.sleep(0.3)
        print(got, file=sys.stderr)
        sys.exit(130)
    """
    process = start(tmp_path, body)
    wait_for_ranks(tmp_path, 2)
    process.send_signal(number)
    assert finish(process, tmp_path) == (130, "", f"[{int(number)}]\n")


def test_a_signal_before_training_ends_all_of_them(tmp_path: Path) -> None:
    process = start(tmp_path, "time.sleep(60)")
    wait_for_ranks(tmp_path, 2)
    process.send_signal(signal.SIGTERM)
    assert finish(process, tmp_path) == (130, "", "")


def test_one_that_does_not_hear_is_killed_once_another_has_stopped(tmp_path: Path) -> None:
    body = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN if rank else lambda n, f: sys.exit(130))
        time.sleep(60)
    """
    process = start(tmp_path, body)
    wait_for_ranks(tmp_path, 2)
    process.send_signal(signal.SIGTERM)
    assert finish(process, tmp_path)[0] == 130


def test_one_that_hangs_is_named(tmp_path: Path) -> None:
    process = start(tmp_path, f"sys.exit({PEER_GONE}) if rank == 0 else time.sleep(60)")
    message = "loopspec: process 1 of 2 did not answer the others; all have ended, and the run can be resumed\n"
    assert finish(process, tmp_path) == (1, "", message)
