"""The progress line on terminals, pipes and odd streams."""

import io
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopspec.runtime.train.progress import CLEAR_LINE, Progress, Status, duration, plain_line, terminal_line

STATUS = Status(25, 100, 3.14159, 12_345.0, 0.5, "full", seconds=50.0, eta_seconds=150.0, clock="steps")
BY_SECONDS = replace(STATUS, total=None, clock="seconds")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_plain_line() -> None:
    assert plain_line(STATUS) == "25/100  loss 3.1416  12.3k tok/s  lr x0.50  full  ETA 2:30"


def test_a_run_by_the_clock_says_so() -> None:
    assert plain_line(BY_SECONDS) == "25/?  loss 3.1416  12.3k tok/s  lr x0.50  full  ETA 2:30 by seconds"
    assert plain_line(replace(STATUS, clock="tokens")).endswith("  ETA 2:30 by tokens")
    assert plain_line(replace(STATUS, clock=None)).endswith("  ETA 2:30")
    assert plain_line(replace(BY_SECONDS, eta_seconds=None, clock=None)).endswith("  ETA --")


def test_the_bar_shows_time_where_the_number_of_steps_is_not_known() -> None:
    """50 of 200 seconds, whatever the step."""
    assert (STATUS.share, replace(STATUS, step=50).share) == (0.25, 0.5)
    assert (BY_SECONDS.share, replace(BY_SECONDS, step=50).share) == (0.25, 0.25)
    assert terminal_line(BY_SECONDS, 79).startswith("[###.........] 25/? loss")
    assert replace(BY_SECONDS, eta_seconds=None).share == 0.0
    assert replace(BY_SECONDS, eta_seconds=0.0).share == 1.0
    assert replace(BY_SECONDS, seconds=0.0, eta_seconds=0.0).share == 0.0  # and no division by 0


def test_terminal_line() -> None:
    assert terminal_line(STATUS, 79) == "[###.........] 25/100 loss 3.1416 12.3k tok/s lr x0.50 full ETA 2:30"
    assert terminal_line(STATUS, 60) == "25/100 loss 3.1416 12.3k tok/s lr x0.50 full ETA 2:30"


@settings(deadline=None)
@given(
    step=st.integers(0, 10**9),
    total=st.none() | st.integers(0, 10**9),
    seconds=st.floats(0, 1e12),
    eta=st.none() | st.floats(0, 1e12),
    loss=st.floats(),
    rate=st.floats(0, 1e12),
    mode=st.text(max_size=90),
    columns=st.integers(1, 80),
)
def test_never_wider_than_the_terminal(
    step: int, total: int | None, seconds: float, eta: float | None, loss: float, rate: float, mode: str, columns: int
) -> None:
    status = Status(step, total, loss, rate, 1.0, mode, seconds, eta, "seconds")
    assert len(terminal_line(status, columns)) <= columns


def test_terminal_redraws_one_line_and_events_keep_theirs() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, now=clock)
    progress.update(STATUS)
    progress.update(STATUS)  # too soon
    clock.seconds = 1.0
    progress.update(STATUS)
    progress.note("event")
    progress.note("another")
    clock.seconds = 2.0
    progress.update(STATUS)
    progress.close()
    line = CLEAR_LINE + terminal_line(STATUS, 79)
    assert stream.getvalue() == f"{line}{line}{CLEAR_LINE}event\nanother\n{line}\n"


def test_pipe_gets_a_line_now_and_then_and_the_last() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, every_seconds=10.0, now=clock)
    for step in range(1, 101):
        clock.seconds = float(step)
        progress.update(Status(step, 100, 1.0, 1.0, 1.0, "full", float(step), 1.0))
    progress.close()
    assert [int(line.split("/")[0]) for line in stream.getvalue().splitlines()] == [*range(1, 100, 10), 100]
    assert "\x1b" not in stream.getvalue()


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_unwritable_streams_never_stop_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    for stream in (Broken(), closed, ascii_only):
        progress = Progress(stream)
        progress.update(Status(1, 2, float("nan"), 0.0, 0.0, "gemäß", 0.0, None))
        progress.note("größer")
        progress.close()
    ascii_only.seek(0)
    assert re.search("gem.+lo|gem", ascii_only.read())
    monkeypatch.setattr("sys.stderr", None)  # as under pythonw
    Progress().note("nobody listens")


@pytest.mark.parametrize("columns", ["0", "-5", "1", "abc", "100000"])
def test_odd_terminal_widths(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    stream = Terminal()
    Progress(stream).update(STATUS)
    assert 1 <= len(stream.getvalue().removeprefix(CLEAR_LINE)) <= 79


def test_duration() -> None:
    assert [duration(s) for s in (None, 0.4, 59.7, 185, 7385)] == ["--", "0s", "1:00", "3:05", "2:03:05"]
