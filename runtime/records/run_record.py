"""A run folder, read: spec, readings, scores, and in which state the run is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from .end_scores import EndScores, read_end_scores
from .errors import RecordError
from .lock import Holder, lock_holder
from .readings import Readings, read_readings
from .recorded_spec import Limits, RecordedSpec, read_recorded_spec

State = Literal["finished", "trained", "running", "interrupted", "failed", "damaged"]
"""finished: with a report; trained: reached its stop, without one; failed: gave up with an error since its checkpoint.

A run that failed right after a checkpoint left the same files as one that was interrupted, and counts as such.
"""

RUN_FILES = ("spec.yaml", "plan.txt", "model.py", "metrics.jsonl", "checkpoints", "artifact.loopspec", "report.json")
_CHECKPOINT = re.compile(r"step-(\d+)\.ckpt")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run folder holds.

    Attributes:
        spec, scores: None where there is none, or it is damaged.
        written: when the newest of its files was last written, in seconds since 1970.
        faults: what is damaged, a line each.
    """

    path: Path
    state: State
    spec: RecordedSpec | None
    readings: Readings
    scores: EndScores | None
    written: float
    faults: tuple[str, ...]


_STATES: dict[str, State] = {"finished": "trained", "interrupted": "interrupted"}
"""By what the record of a run's end says; anything else is a failure."""


def holds_run(folder: Path) -> bool:
    """Whether some run has written into this folder."""
    return any((folder / name).exists() for name in RUN_FILES)


def read_run(path: Path) -> RunRecord:
    """The run in a folder that `holds_run`; damage is in its `faults`, never raised.

    Raises:
        OSError: the folder itself cannot be read.
    """
    faults: list[str] = []
    spec = _read(path / "spec.yaml", read_recorded_spec, faults)
    readings = _read(path / "metrics.jsonl", read_readings, faults)
    scores = _read(path / "report.json", read_end_scores, faults)
    if not (path / "spec.yaml").exists():
        faults.append("spec.yaml: missing")
    outcome = _read(path / "outcome.json", read_outcome, faults)
    holder = _read(path / "lock", lock_holder, faults) or "none"
    reached = readings if readings is not None else Readings()
    limits = spec.stop if spec is not None else Limits()
    state = "damaged" if faults else run_state(holder, reached, limits, _checkpoint_step(path), scores, outcome)
    return RunRecord(path, state, spec, reached, scores, _written(path), tuple(faults))


def read_outcome(path: Path) -> str:
    """How the last process of a run ended.

    Raises:
        RecordError: the file does not say.
    """
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["outcome"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordError(f"{path.name}: does not tell how the run ended ({error})") from error


def run_state(
    holder: Holder,
    readings: Readings,
    stop: Limits,
    checkpoint_step: int | None,
    scores: EndScores | None,
    outcome: str | None = None,
) -> State:
    """The state that sound files tell; see `State`."""
    if holder == "alive":
        return "running"
    if scores is not None:
        return "finished"
    if outcome is not None:
        return _STATES.get(outcome, "failed")
    if not readings.further and _reached(readings, stop):
        return "trained"
    stopped_at_checkpoint = checkpoint_step is not None and checkpoint_step >= readings.last_step
    return "interrupted" if holder == "died" or stopped_at_checkpoint else "failed"


def _reached(readings: Readings, stop: Limits) -> bool:
    """Whether training has come to one of the ends that its spec names."""
    if not readings.train:
        return False
    position = readings.train[-1].position
    pairs = [(position.steps, stop.steps), (position.tokens, stop.tokens), (position.seconds, stop.seconds)]
    return any(at is not None and end is not None and at >= end for at, end in pairs)


def _read(path: Path, reader: Callable[[Path], T], faults: list[str]) -> T | None:
    if not path.exists():
        return None
    try:
        return reader(path)
    except RecordError as error:
        faults.append(str(error))
        return None


def _checkpoint_step(path: Path) -> int | None:
    """The newest checkpoint's, by its name."""
    folder = path / "checkpoints"
    names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
    return max((int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name))), default=None)


def _written(path: Path) -> float:
    files = [path / name for name in RUN_FILES]
    return max(file.stat().st_mtime for file in files if file.exists())
