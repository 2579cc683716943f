"""What a person sees between the phases: lines on standard error, and a counter where there is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from ..train.progress import CLEAR_LINE, duration

REDRAW_SECONDS = 0.1


class Console:
    """Prints events as lines; a stream that is closed is given up, it never stops a run."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream: TextIO | None = sys.stderr if stream is None else stream

    def note(self, text: str) -> None:
        """One event on a line of its own."""
        self._write(f"{text}\n")

    def counter(self, label: str) -> Callable[[int, int], None]:
        """A progress callback (done, total) that redraws one line with the time to go, on a terminal only."""
        began = time.monotonic()
        shown = began

        def show(done: int, total: int) -> None:
            nonlocal shown
            now = time.monotonic()
            if not self._terminal() or (now - shown < REDRAW_SECONDS and done < total):
                return
            shown = now
            left = (now - began) / max(done, 1) * (total - done)
            self._write(CLEAR_LINE + ("" if done >= total else f"{label} {done}/{total}  ETA {duration(left)}"))

        return show

    def _terminal(self) -> bool:
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:  # closed
            return False

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # a closed pipe or stream: nobody is watching any more
            self._stream = None
