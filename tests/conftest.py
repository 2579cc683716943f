"""Set before anything imports torch: one thread a process, so that parallel workers do not crowd the cores."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no fault of the code: only a hang fails, by the generous limits of tests that start processes.
settings.register_profile("loopspec", deadline=None)
settings.load_profile("loopspec")
