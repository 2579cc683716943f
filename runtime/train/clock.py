"""The training clock: seconds spent on steps, without validation and saving."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class TrainingClock:
    """Runs from `start`, stands still inside `paused()`, and goes on from `seconds` after a resume."""

    def __init__(self, seconds: float = 0.0, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._spent = seconds
        self._since: float | None = None

    def start(self) -> None:
        """Let the clock run."""
        assert self._since is None, "the clock runs already"
        self._since = self._now()

    def stop(self) -> None:
        """Let the clock stand."""
        self._spent, self._since = self.seconds(), None

    def seconds(self) -> float:
        """Seconds so far."""
        return self._spent + (0.0 if self._since is None else self._now() - self._since)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stand still for the block, if the clock runs."""
        running = self._since is not None
        if running:
            self.stop()
        try:
            yield
        finally:
            if running:
                self.start()
