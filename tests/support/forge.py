"""Runs command lines of loopspec in forks of one process that has imported everything, to be killed at chosen points.

Importing torch takes longer than a tiny run; a fork takes milliseconds. The parent never trains: autograd refuses to
go on in the fork of a process that did.

As a script, the parent itself: it reads one JSON request a line and answers each with one line.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

TESTS = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 90.0


@dataclass(frozen=True)
class Fault:
    """What happens to a process, and when.

    Attributes:
        begin: the function whose first call, after `calls` others, starts the count.
        nth: at this event of the count (a call or a return, also of C functions, in the runtime's code) it strikes.
        within: only events inside calls of this function count.
        signals: what the process sends to itself, in this order; SIGUSR1 changes its weights.
        seconds: instead, this long after the count began, wherever the process is; the kernel ends it.
        file_bytes: instead, from then on no file can be written beyond this size.
    """

    begin: str = "main"
    calls: int = 0
    nth: int = 1
    within: str | None = None
    signals: tuple[int, ...] = (signal.SIGKILL,)
    seconds: float | None = None
    file_bytes: int | None = None


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (minus the signal that killed it), and what it printed on both streams."""

    code: int
    said: str


class Forge:
    """The parent process. Use it as a context manager."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS / '_dev'}", "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # a shell starts what is to run behind it with SIGINT ignored, and children inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def start(
        self,
        words: Sequence[str | Path],
        output: Path,
        fault: Fault | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Starts `loopspec WORDS`, whose output goes to a file, and returns its process id."""
        request = {
            "words": list(map(str, words)),
            "output": str(output),
            "fault": None if fault is None else asdict(fault),
            "environment": dict(environment or {}),
        }
        return self._ask(request)["pid"]

    def start_code(self, code: str, arguments: Sequence[str | Path], output: Path) -> int:
        """Starts `python -c CODE ARGUMENTS`."""
        return self._ask({"code": code, "words": ["-c", *map(str, arguments)], "output": str(output)})["pid"]

    def wait(self, pid: int) -> int:
        """Waits for a process, and kills it when it takes too long."""
        return self._ask({"wait": pid})["code"]

    def run(self, words: Sequence[str | Path], output: Path, fault: Fault | None = None) -> Ended:
        """Starts and waits."""
        code = self.wait(self.start(words, output, fault))
        return Ended(code, output.read_text())

    def run_ranks(
        self, words: Sequence[str | Path], output: Path, ranks: int, faults: Mapping[int, Fault] | None = None
    ) -> list[Ended]:
        """Several ranks of one run, which meet at a free port."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        shared = {"WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        outputs = [output.with_name(f"{output.name}.{rank}") for rank in range(ranks)]
        pids = []
        for rank, file in enumerate(outputs):
            environment = {name: str(value) for name, value in {**shared, "RANK": rank, "LOCAL_RANK": rank}.items()}
            pids.append(self.start(words, file, (faults or {}).get(rank), environment))
        codes = [self.wait(pid) for pid in pids]
        return [Ended(code, file.read_text()) for code, file in zip(codes, outputs, strict=True)]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(LIMIT_SECONDS)
        self._process.stdout.close()


class Watcher:
    """A profile function that lets a fault strike."""

    def __init__(self, fault: Fault, roots: Sequence[str]) -> None:
        self._fault = fault
        self._roots = tuple(roots)
        self._calls = -1 if fault.begin == "main" else fault.calls
        self._count = 0
        self._inside: FrameType | None = None

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if not frame.f_code.co_filename.startswith(self._roots):
            return
        name = frame.f_code.co_qualname
        if self._calls >= 0:
            if event == "call" and name == self._fault.begin:
                self._calls -= 1
                if self._calls < 0 and self._begin():
                    return
            if self._calls >= 0:
                return
        self._follow(frame, event, name)
        if self._fault.within is None or self._inside is not None:
            self._count += 1
            if self._count == self._fault.nth:
                for number in self._fault.signals:
                    os.kill(os.getpid(), number)

    def _begin(self) -> bool:
        """Whether the fault needs no counting."""
        if self._fault.seconds is not None:
            sys.setprofile(None)
            signal.setitimer(signal.ITIMER_REAL, self._fault.seconds)  # its default action ends the process
            return True
        if self._fault.file_bytes is not None:
            sys.setprofile(None)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._fault.file_bytes, resource.RLIM_INFINITY))
            return True
        return False

    def _follow(self, frame: FrameType, event: str, name: str) -> None:
        if event == "call" and name == self._fault.within and self._inside is None:
            self._inside = frame
        elif event == "return" and frame is self._inside:
            self._inside = None


def serve() -> None:
    """Answers requests until standard input ends."""
    import jsonschema.validators  # noqa: F401
    import torch
    import torch._dynamo  # what the optimizers import when they are first made

    import loopspec.runtime.cli.commands.train
    import loopspec.runtime.cli.failures
    import loopspec.runtime.pipeline.session
    from loopspec.runtime.cli.entry import main

    torch.set_num_threads(1)
    roots = [path for found in loopspec.runtime.__path__ for path in (found, os.path.realpath(found))]
    before = set(sys.modules)
    gc.collect()
    gc.freeze()  # or each fork looks through all that was imported, and copies it
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = {"code": _reaped(request["wait"])}
        else:
            pid = os.fork()
            if pid == 0:
                _child(request, roots, main, before)
            answer = {"pid": pid}
        print(json.dumps(answer), flush=True)


def _reaped(pid: int) -> int:
    until = time.monotonic() + LIMIT_SECONDS
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return 1000  # no exit code: the process hung
        time.sleep(0.002)


def _spoil(number: int, frame: FrameType | None) -> None:
    """Changes every parameter of this process a little, as a faulty machine would."""
    import torch

    for found in gc.get_objects():
        if isinstance(found, torch.nn.Parameter):
            found.data.add_(1e-3)


def _run_code(request: dict[str, Any]) -> int:
    sys.argv = request["words"]
    exec(compile(request["code"], "<forge>", "exec"), {"__name__": "__main__"})
    return 0


def _child(request: dict[str, Any], roots: Sequence[str], main: Any, before: set[str]) -> None:
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.update(request.get("environment", {}))
    code = 99
    try:
        if request.get("fault") is not None:
            signal.signal(signal.SIGUSR1, _spoil)
            sys.setprofile(Watcher(Fault(**request["fault"]), roots))
        code = _run_code(request) if "code" in request else main(request["words"])
    finally:
        sys.setprofile(None)
        if os.environ.get("FORGE_MODULES"):
            print("imported", sorted(set(sys.modules) - before))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
    os._exit(0)  # taking torch apart takes seconds
