"""What every fuzz target shares: one guarded run of one input, findings grouped by cause, a loop without coverage.

The loop keeps an input that ends in a new way (another set of diagnostic codes, another message). It stands in for
coverage; `guided.py` has the real thing.
"""

from __future__ import annotations

import gc
import hashlib
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

CORPUS = Path(__file__).resolve().parent / "corpus"
CORPUS_LIMIT = 4000
REPORT_SECONDS = 30
ACCEPTED = "accepted"
"""How the outcome of a sound input starts."""


class Hang(BaseException):
    """An input took too much processor time. No handler of `Exception` can swallow it."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads hostile bytes.

    Attributes:
        run: reads one input and tells how it ended, in few words; whatever it raises is a finding.
        mutate: another input made from one.
        seeds: the inputs to start with.
        suffix: of files that hold an input.
        seconds: user time that one input may take.
        memory: address space that one input may take beyond what the process has before it, in bytes.
        longest: inputs are at most so long.
    """

    name: str
    run: Callable[[bytes], str]
    mutate: Callable[[bytes, Random], bytes]
    seeds: Callable[[], list[bytes]]
    suffix: str
    seconds: float
    memory: int
    longest: int = 1 << 16


@dataclass(slots=True)
class Guard:
    """Runs inputs within their bounds and keeps the shortest of every finding in `folder`."""

    target: Target
    folder: Path
    count: int = 0
    slowest: float = 0.0
    causes: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    reported: float = 0.0
    _kept: dict[str, int] = field(default_factory=dict)

    def limit(self) -> None:
        """Sets the memory bound (once, for the process) and the alarm's handler."""
        gc.freeze()
        gc.set_threshold(20_000)
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + self.target.memory, resource.RLIM_INFINITY))
        signal.signal(signal.SIGVTALRM, _hang)

    def check(self, data: bytes) -> bool:
        """Runs one input. True when it ended in a way that none before it did."""
        self.count += 1
        begin = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, self.target.seconds)
        try:
            outcome = self.target.run(data)
        except (Exception, Hang) as fault:  # noqa: BLE001 - any escape is what is looked for
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            outcome = cause_of(fault)
            self._found(outcome, data, fault)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.slowest = max(self.slowest, time.process_time() - begin)
        new = outcome not in self.outcomes
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if time.monotonic() - self.reported > REPORT_SECONDS:
            self.report()
        return new

    def report(self) -> None:
        """One line on standard output."""
        self.reported = time.monotonic()
        rate = self.count / max(self.reported - self.started, 1e-9)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{self.target.name}: {self.count:,} inputs, {rate:,.0f} a second, {self.accepted:,} accepted, "
            f"{len(self.outcomes)} outcomes, slowest {self.slowest:.2f} s, peak {memory:,.0f} MB, "
            f"{len(self.causes)} findings",
            flush=True,
        )

    @property
    def accepted(self) -> int:
        """Inputs that the target took for sound; too few, and the mutators only test the front door."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.startswith(ACCEPTED))

    def _found(self, cause: str, data: bytes, fault: BaseException) -> None:
        self.causes[cause] = self.causes.get(cause, 0) + 1
        if len(data) >= self._kept.get(cause, sys.maxsize):
            return
        self._kept[cause] = len(data)
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(cause.encode()).hexdigest()[:12]
        (self.folder / f"{name}{self.target.suffix}").write_bytes(data)
        text = "".join(traceback.format_exception(fault, limit=-12))
        (self.folder / f"{name}.txt").write_text(f"{cause}\n\n{text}", errors="backslashreplace")
        if self.causes[cause] == 1:
            print(f"FINDING {name}: {cause}", flush=True)


def cause_of(fault: BaseException) -> str:
    """The kind of fault and the last line of the project that it passed; of one that strikes anywhere, the way."""
    frames = [frame for frame in traceback.extract_tb(fault.__traceback__) if "loopspec/" in frame.filename]
    kind = type(fault).__name__
    if not frames:
        return f"{kind}: {str(fault)[:80]}"
    if isinstance(fault, Hang | RecursionError | MemoryError):
        return f"{kind} in {' > '.join(frame.name for frame in frames[1:4])}"
    last = frames[-1]
    return f"{kind} at {'/'.join(Path(last.filename).parts[-3:])}:{last.lineno} {last.name}"


def explore(guard: Guard, runs: int, rng: Random) -> None:
    """Seeds, then `runs` mutants of them and of every mutant that ended in a new way."""
    target = guard.target
    pool = target.seeds()
    for data in pool:
        guard.check(data)
    while guard.count < runs:
        data = target.mutate(rng.choice(pool), rng)[: target.longest]
        if guard.check(data) and len(pool) < CORPUS_LIMIT:
            pool.append(data)


def minimized(target: Target, data: bytes, tries: int = 3000) -> bytes:
    """`data` with everything cut out that its fault does not need."""
    cause = _fault(target, data)
    assert cause is not None, "there is no fault to keep"
    size = len(data) // 2
    while size and tries > 0:
        start = 0
        while start < len(data) and tries > 0:
            shorter = data[:start] + data[start + size :]
            tries -= 1
            if _fault(target, shorter) == cause:
                data = shorter
            else:
                start += size
        size //= 2
    return data


def saved(name: str) -> list[bytes]:
    """The inputs kept for a target, all that ever showed something."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*")) if path.suffix != ".txt"]


def check_all(target: Target, inputs: Sequence[bytes], folder: Path) -> Guard:
    """Runs `inputs`, without the bound on memory, which would stay with the process."""
    signal.signal(signal.SIGVTALRM, _hang)
    guard = Guard(target, folder, reported=float("inf"))
    for data in inputs:
        guard.check(data)
    return guard


def _fault(target: Target, data: bytes) -> str | None:
    signal.signal(signal.SIGVTALRM, _hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, target.seconds)
    try:
        target.run(data)
    except (Exception, Hang) as fault:  # noqa: BLE001 - as above
        return cause_of(fault)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return None


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang
