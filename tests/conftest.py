"""Set before anything imports torch: one thread a process, so that parallel workers do not crowd the cores.

`HYPOTHESIS_PROFILE=torture` draws every example of every property test, and marks them all for `-m torture`.
"""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import is_hypothesis_test, settings
from support.examples import TORTURE, examples

os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no fault of the code: only a hang fails, by the generous limits of tests that start processes.
settings.register_profile("loopspec", examples(100), deadline=None)
settings.load_profile("loopspec")


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if TORTURE and is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.torture)


def pytest_collection_finish() -> None:
    """A third of the suite's time would go to looking through all modules and tests for garbage, again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
