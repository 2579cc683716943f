"""How many examples a property test draws: all of them in the torture suite, a share of them in the fast one."""

from __future__ import annotations

import os
from math import ceil
from typing import Any

from hypothesis import settings

TORTURE = os.environ.get("HYPOTHESIS_PROFILE") == "torture"
SHARE = 0.4
FEW = 8


def examples(count: int, **options: Any) -> settings:
    """The settings of a test that draws `count` examples in the torture suite; `options` are further settings.

    The fast suite draws a share of them, and all of a few.
    """
    drawn = count if TORTURE else max(ceil(SHARE * count), min(count, FEW))
    return settings(max_examples=drawn, **options)
