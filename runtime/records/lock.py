"""Who holds a run folder: its lock file, looked at without changing it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Literal

from .errors import RecordError

Holder = Literal["alive", "died", "none"]


def lock_holder(lock: Path) -> Holder:
    """Whether a live process has the lock, one died with it, or it was given back (or never taken).

    The kernel's lock is only tried where the file names a process: to try it is to hold it for a moment, and a run
    that starts in that moment would be refused.

    Raises:
        RecordError: the file is there and cannot be read.
    """
    try:
        return _holder(lock)
    except FileNotFoundError:
        return "none"
    except OSError as error:
        raise RecordError(f"{lock.name}: cannot be read ({error.strerror})") from error


def _holder(lock: Path) -> Holder:
    descriptor = os.open(lock, os.O_RDONLY)
    try:
        if not os.pread(descriptor, 32, 0).strip():
            return "none"
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "alive"
    finally:
        os.close(descriptor)
    return "died"
