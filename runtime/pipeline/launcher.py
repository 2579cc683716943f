"""Starts the processes of a run on this machine, and ends all of them when one dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import IO

from ..train.errors import TrainingError
from ..train.launched import LAUNCHED, PEER_GONE

POLL_SECONDS = 0.02
GRACE_SECONDS = 5.0
"""For the processes that are left to say the same of a common fault, or to notice that one is gone."""

SHOWN_LINES = 3
SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = 130


def launch(words: Sequence[str], processes: int) -> int:
    """Runs `loopspec WORDS` in `processes` processes and returns their exit code.

    The processes are a group of their own: Ctrl-C and SIGTERM reach each once, from here. The first prints; what the
    others print is shown only when they fail.

    Raises:
        TrainingError: one died, or another than the first failed. None is left.
    """
    with ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(processes - 1)]
        ranks = _Ranks(outputs)
        stack.enter_context(ranks.heeding_signals())
        ranks.start(words, processes, _free_port())
        return ranks.wait()


class _Ranks:
    """The processes of one run.

    Attributes:
        signalled: a signal was passed on to them.
        abandoned: the ranks that did not end with the others, and were killed.
    """

    def __init__(self, outputs: Sequence[IO[bytes]]) -> None:
        self._outputs = outputs
        self._processes: list[subprocess.Popen[bytes]] = []
        self.signalled = False
        self.abandoned: list[int] = []

    def start(self, words: Sequence[str], processes: int, port: int) -> None:
        """Start all of them."""
        command = [sys.executable, "-P", "-m", "loopspec.runtime.cli", *words]
        for rank in range(processes):
            if self.signalled:
                break
            output = None if rank == 0 else self._outputs[rank - 1]
            environment = _environment(rank, processes, port)
            self._processes.append(
                subprocess.Popen(command, env=environment, stdout=output, stderr=output, process_group=0)
            )
        if self.signalled:
            self._pass_on(signal.SIGTERM, None)  # the signal may have missed the last one

    def wait(self) -> int:
        """The common exit code, once all have ended."""
        ending: float | None = None
        while None in (codes := self._codes()):
            if ending is None and any(codes):
                ending = time.monotonic()
            if ending is not None and time.monotonic() > ending + GRACE_SECONDS:
                self.end()
            time.sleep(POLL_SECONDS)
        if (codes[0] or 0) > 0 and codes[0] not in (PEER_GONE, INTERRUPTED):
            return codes[0] or 0  # the first process has said why
        guilty = self._guilty(codes)
        if guilty is not None:
            raise TrainingError(self._epitaph(guilty))
        return INTERRUPTED if self.signalled and any(codes) else max((code or 0 for code in codes), default=0)

    def end(self) -> None:
        """Kill those that are left."""
        for rank, process in enumerate(self._processes):
            if process.poll() is None:
                self.abandoned.append(rank)
                process.kill()
                process.wait()

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """Passes signals on, but for those that the parent set to be ignored; after the block no process lives."""
        heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._pass_on) for number in heard}
        try:
            yield
        finally:
            self.end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self.signalled = True
        for process in self._processes:
            process.send_signal(number)

    def _codes(self) -> list[int | None]:
        return [process.poll() for process in self._processes]

    def _guilty(self, codes: Sequence[int | None]) -> int | None:
        """The first rank to blame; a process that a signal found before training ends by that signal."""
        innocent = [0, INTERRUPTED, PEER_GONE, *(-number for number in SIGNALS if self.signalled)]
        guilty = [rank for rank, code in enumerate(codes) if code not in innocent and rank not in self.abandoned]
        if not guilty and not self.signalled:
            guilty = self.abandoned
        return guilty[0] if guilty else None

    def _epitaph(self, rank: int) -> str:
        code = self._codes()[rank]
        assert code is not None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if rank in self.abandoned:
            how = "did not answer the others"
        said = self._last_words(rank) if rank > 0 else ""
        return f"process {rank} of {len(self._processes)} {how}; all have ended, and the run can be resumed{said}"

    def _last_words(self, rank: int) -> str:
        output = self._outputs[rank - 1]
        output.seek(0)
        lines = output.read().decode(errors="replace").strip().splitlines()
        return "".join(f"\n  {line}" for line in lines[-SHOWN_LINES:])


def _environment(rank: int, processes: int, port: int) -> dict[str, str]:
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    return {
        **os.environ,
        **{name: str(value) for name, value in places.items()},
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        LAUNCHED: str(os.getpid()),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
