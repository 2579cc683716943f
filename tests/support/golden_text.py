"""Golden texts: compared byte for byte, written anew under LOOPSPEC_REGENERATE=1."""

from __future__ import annotations

import os
from pathlib import Path

PLANS = Path(__file__).parent.parent / "golden" / "plans"


def check_golden_text(name: str, text: str) -> None:
    """`text` equals tests/golden/plans/NAME; read the difference before you keep a regenerated one."""
    path = PLANS / name
    if os.environ.get("LOOPSPEC_REGENERATE") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
