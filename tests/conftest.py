"""Set before anything imports torch: one thread a process, so that parallel workers do not crowd the cores."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
