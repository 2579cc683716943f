"""Progress on standard error: one redrawn line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

MAX_COLUMNS = 80
REDRAW_SECONDS = 0.1
BAR_CELLS = 12
CLEAR_LINE = "\r\x1b[2K"


@dataclass(frozen=True, slots=True)
class Status:
    """What is shown: steps completed, and figures of the last step. `seconds` is the training clock.

    Attributes:
        total: steps of the whole run; None where the wall clock decides.
        eta_seconds: to go; None where nobody knows yet.
        clock: of steps, tokens and seconds, the one that will end training at the present pace.
    """

    step: int
    total: int | None
    loss: float
    tokens_per_second: float
    lr_scale: float
    mode: str
    seconds: float
    eta_seconds: float | None
    clock: str | None = None

    @property
    def share(self) -> float:
        """How much of the run is done, 0 to 1, by its time where the number of steps is not known."""
        if self.total is not None:
            return self.step / max(self.total, 1)
        return 0.0 if self.eta_seconds is None else self.seconds / max(self.seconds + self.eta_seconds, 1e-9)


class Progress:
    """Shows a run's progress; a stream that cannot be written to is given up, it never stops a run.

    Args:
        stream: standard error by default.
        every_seconds: time between plain lines where the stream is no terminal.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        every_seconds: float = 10.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream: TextIO | None = sys.stderr if stream is None else stream
        self._terminal = _is_terminal(self._stream)
        self._interval = REDRAW_SECONDS if self._terminal else every_seconds
        self._now = now
        self._shown_at: float | None = None
        self._line_open = False

    def update(self, status: Status) -> None:
        """Show `status`, unless the last line is too recent; the last step is always shown."""
        due = self._shown_at is None or self._now() - self._shown_at >= self._interval
        if not due and status.step != status.total:
            return
        self._shown_at = self._now()
        if self._terminal:
            self._write(CLEAR_LINE + terminal_line(status, _columns()))
            self._line_open = True
        else:
            self._write(plain_line(status) + "\n")

    def note(self, text: str) -> None:
        """Print an event on a line of its own."""
        self._write((CLEAR_LINE if self._line_open else "") + text + "\n")
        self._line_open = False

    def close(self) -> None:
        """End the redrawn line."""
        if self._line_open:
            self._write("\n")
        self._line_open = False

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        encoding = getattr(self._stream, "encoding", None) or "ascii"
        try:
            self._stream.write(text.encode(encoding, errors="replace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):  # a closed pipe or stream: nobody is watching any more
            self._stream = None


def terminal_line(status: Status, columns: int) -> str:
    """The redrawn line, never wider than `columns`: the bar goes first where space is short, then the end is cut."""
    filled = min(int(BAR_CELLS * status.share), BAR_CELLS)
    bar = f"[{'#' * filled}{'.' * (BAR_CELLS - filled)}] "
    text = " ".join(_parts(status))
    return (bar + text if len(bar) + len(text) <= columns else text)[:columns]


def plain_line(status: Status) -> str:
    """The line for logs and pipes."""
    return "  ".join(_parts(status))


def duration(seconds: float | None) -> str:
    """Seconds as 42s, 3:05 or 2:03:05; `--` if unknown."""
    if seconds is None:
        return "--"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hours}:{minutes:02d}:{whole % 60:02d}"
    return f"{minutes}:{whole % 60:02d}" if minutes else f"{whole}s"


def _parts(status: Status) -> list[str]:
    return [
        f"{status.step}/{'?' if status.total is None else status.total}",
        f"loss {status.loss:.4f}",
        f"{_compact(status.tokens_per_second)} tok/s",
        f"lr x{status.lr_scale:.2f}",
        status.mode,
        f"ETA {duration(status.eta_seconds)}" + ("" if status.clock in (None, "steps") else f" by {status.clock}"),
    ]


def _compact(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.1f}M"
    return f"{value / 1e3:.1f}k" if value >= 1e3 else f"{value:.0f}"


def _columns() -> int:
    # The last column stays free: some terminals wrap as soon as it is written.
    return max(min(shutil.get_terminal_size((MAX_COLUMNS, 24)).columns, MAX_COLUMNS) - 1, 1)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # a closed stream
        return False
