"""The training clock: seconds spent on steps. What else takes time stands in an account of its own."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

_NOTHING: Mapping[str, float] = MappingProxyType({})


class TrainingClock:
    """Runs from `start`, stands still inside `paused()`, and goes on from `seconds` after a resume.

    Attributes:
        elsewhere: seconds spent inside `paused()`, by what for.
    """

    def __init__(
        self,
        seconds: float = 0.0,
        elsewhere: Mapping[str, float] = _NOTHING,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._now = now
        self._spent = seconds
        self._since: float | None = None
        self.elsewhere: defaultdict[str, float] = defaultdict(float, elsewhere)

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
    def paused(self, what: str) -> Iterator[None]:
        """Stand still for the block, if the clock runs; its time goes to the account of `what`."""
        running, began = self._since is not None, self._now()
        if running:
            self.stop()
        try:
            yield
        finally:
            self.elsewhere[what] += self._now() - began
            if running:
                self.start()
