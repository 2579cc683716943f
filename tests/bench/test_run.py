"""The CPU benchmark runs, and the emitted module asks no more of PyTorch than the plain one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("run.py")


@pytest.mark.torture
def test_quick_run_writes_every_figure(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    options = ["--quick", "--threads", "1", "--systems", "quickstart", "--only", "work,modes,shares"]
    command = [sys.executable, str(SCRIPT), *options, "--folder", str(tmp_path), "--json", str(out)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    figures = json.loads(out.read_text())
    rows = {row["what"]: row for group in figures["groups"].values() for row in group}
    assert list(figures["groups"]) == ["work", "modes", "shares"]
    assert rows["bytes computed, quickstart, full"]["median"] >= 1.0
    assert 0.9 < rows["peak memory, quickstart, full"]["median"] < 1.5
    for order in ("contiguous", "shuffled", "coprime"):
        assert 0 < rows[f"loader, {order}, quickstart"]["median"] < 1
    assert figures["machine"]["torch"] and figures["machine"]["date"]
    assert list(tmp_path.iterdir()) == [out]  # the checkpoints are gone
