"""The command line, run in processes of their own beside a tiny spec."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent.parent
TOKENIZER = TESTS / "golden" / "bpb_tiny.model"


@dataclass(frozen=True)
class Workshop:
    """A folder with a spec, its shards and its tokenizer."""

    folder: Path

    @property
    def spec(self) -> Path:
        return self.folder / "tiny.yaml"

    def command(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", "loopspec.runtime.cli", *map(str, words)]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(TESTS / "_dev"), "OMP_NUM_THREADS": "1", "COLUMNS": "80"}

    def run(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs loopspec in a fresh process and checks its exit code."""
        done = subprocess.run(
            self.command(*words), cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=600
        )
        assert done.returncode == code, f"{words}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done
