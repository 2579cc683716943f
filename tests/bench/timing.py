"""Timing on a busy machine: what is compared runs in turns, so that a slow moment falls on all of it."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Samples = list[float]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of some samples."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """At least one sample, which is then all three."""
        if len(samples) == 1:
            return cls(samples[0], samples[0], samples[0])
        low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(median, low, high)


_clock: Callable[[], float] = time.perf_counter


def count_cpu_time() -> None:
    """From now on seconds are those that the processor worked for this process: steadier where others work beside it.

    For ratios with one thread only: waiting for a disk or for another thread is not in them.
    """
    global _clock
    _clock = time.process_time


def seconds_of(action: Callable[[], object]) -> float:
    """Seconds of one call, by the clock on the wall unless `count_cpu_time` was called."""
    began = _clock()
    action()
    return _clock() - began


def interleave(contenders: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, Samples]:
    """What each contender returns: one warm-up each, then `repeats` rounds, with the order turned round each time."""
    for contender in contenders.values():
        contender()
    samples: dict[str, Samples] = {name: [] for name in contenders}
    order = list(contenders)
    for _ in range(repeats):
        for name in order:
            samples[name].append(contenders[name]())
        order.reverse()
    return samples


def ratios(above: Samples, below: Samples) -> Samples:
    """Round by round, so that what slowed a whole round cancels out."""
    return [a / b for a, b in zip(above, below, strict=True)]


def user_seconds(command: Sequence[str]) -> float:
    """User CPU seconds of a fresh process, which must succeed."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{' '.join(command)} exited with {process.returncode}"
    return usage.ru_utime


class Stopwatch:
    """Adds up the time of the methods that it wraps."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def wrap(self, owner: object, name: str) -> None:
        """Replaces a method of `owner` by one whose time counts here."""
        function: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **keywords: Any) -> Any:
            began = _clock()
            try:
                return function(*arguments, **keywords)
            finally:
                self._seconds += _clock() - began

        setattr(owner, name, timed)

    def take(self) -> float:
        """Seconds since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds
