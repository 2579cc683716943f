"""The front end answers without the libraries of the runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SPEC = Path(__file__).parent.parent / "err" / "parents" / "tiny.yaml"
HEAVY = ("torch", "numpy", "sentencepiece")


def test_validate_and_plan_import_no_torch() -> None:
    program = (
        "import sys\n"
        "from loopspec.compiler.check import check_spec\n"
        f"checked = check_spec({str(SPEC)!r})\n"
        "assert checked.ok and checked.plan is not None\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    path = [entry for entry in sys.path if entry]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{program}"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
