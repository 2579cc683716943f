"""Signals that the parent has ignored."""

from __future__ import annotations

import os
import signal

import pytest

from loopspec.runtime.train.interrupt import SIGNALS, stop_on_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_the_parent_ignores_stays_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) is signal.SIG_IGN
            (other,) = set(SIGNALS) - {number}
            os.kill(os.getpid(), other)
            assert stop.signal == other
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
