"""SIGINT and SIGTERM as a request to stop after the current step."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether, and by which signal, a stop was asked for."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    @property
    def requested(self) -> bool:
        """A signal has come."""
        return self.signal is not None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; at the second give up at once."""
        received = signal.Signals(number)
        if self.signal is not None:
            raise KeyboardInterrupt(f"second signal, {received.name}")
        self.signal = received
        # Not print: the signal may have come in the middle of one, and buffered streams refuse to be re-entered.
        os.write(2, f"\n{received.name}: stopping after this step; once more aborts at once\n".encode())


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Handle SIGINT and SIGTERM inside the block. Off the main thread Python allows no handlers: none are set.

    A signal that the parent set to be ignored (`nohup`, a shell's background job) stays ignored.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request.handle) for number in heard}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
