"""What the processes of a run and the launcher that started them agree on."""

from __future__ import annotations

import os

PEER_GONE = 3
"""Exit code of a process that lost another one: not the one to blame."""

LAUNCHED = "LOOPSPEC_LAUNCHED"
"""Holds the launcher's process id in the processes that it started: it reports what becomes of them."""


def orphaned() -> bool:
    """Whether the launcher that started this process is gone, so that nobody would pass a signal on."""
    launcher = os.environ.get(LAUNCHED)
    return launcher is not None and os.getppid() != int(launcher)
