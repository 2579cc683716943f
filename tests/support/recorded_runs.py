"""Run folders made up for tests: only the files that listings and comparisons read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WRITTEN = 1_700_000_000  # when each file says it was written, seconds since 1970

REPORT = {
    "spec": "small",
    "parameters": 300_000,
    "effective_parameters": 600_000,
    "size": {"total_bytes": 412_345, "margin_bytes": 107_655},
    "scores": {"stop": 1.83, "average": 1.81, "artifact": 1.8412},
    "seconds": {"data": 1.0, "training": 123.45},
}


@dataclass(frozen=True)
class MadeUp:
    """A run of `steps` steps; step n has loss 6 - n / 10.

    `clocks` are added at every step, so that {"tokens": 64} records tokens 64, 128, ...
    """

    steps: int = 10
    clocks: Mapping[str, float] = field(default_factory=lambda: {"tokens": 64, "seconds": 0.5})
    lr_scale: float = 1.0
    validations: Sequence[int] = ()
    more: Iterable[Mapping[str, Any]] = ()
    sets: Mapping[str, str] = field(default_factory=dict)
    report: Mapping[str, Any] | None = None
    checkpoint: int | None = None
    lock: str | None = None

    def write(self, folder: Path) -> Path:
        """Writes the folder, and says that its files were written at WRITTEN."""
        folder.mkdir(parents=True)
        stop = self.sets.get("stop", "{steps: 10}")
        schedule = self.sets.get("schedule", "{warmdown_steps: 4}")
        dim = self.sets.get("dim", "32")
        spec = f"name: small\nmodel: {{dim: {dim}}}\ntrain:\n  stop: {stop}\n  schedule: {schedule}\n"
        (folder / "spec.yaml").write_text(spec)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in self._records()))
        if self.report is not None:
            (folder / "report.json").write_text(json.dumps(self.report))
        if self.checkpoint is not None:
            (folder / "checkpoints").mkdir()
            (folder / "checkpoints" / f"step-{self.checkpoint:09d}.ckpt").touch()
        if self.lock is not None:
            (folder / "lock").write_text(self.lock)
        date(folder)
        return folder

    def _records(self) -> Iterable[Mapping[str, Any]]:
        for step in range(1, self.steps + 1):
            clocks = {name: step * value for name, value in self.clocks.items()}
            loss = round(6 - step / 10, 6)
            yield {"kind": "train", "step": step, "mode": "full", "loss": loss, "lr_scale": self.lr_scale, **clocks}
            if step in self.validations:
                yield {"kind": "validation", "step": step, "validation_loss": loss, "validation_bpb": loss / 2}
        yield from self.more


def date(folder: Path) -> None:
    """Sets the times of everything in a folder."""
    for path in folder.rglob("*"):
        os.utime(path, (WRITTEN, WRITTEN))
