"""A signal to this process in the midst of a training run."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from loopspec.runtime.train.loop import Trainer


def interrupt_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """SIGINT when so many steps are done."""
    advance = Trainer._advance

    def advanced(self: Trainer, order: Any) -> None:
        advance(self, order)
        if self._step == steps:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "_advance", advanced)
