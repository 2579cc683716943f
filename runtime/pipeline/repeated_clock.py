"""A run that goes by the recorded clock of another one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...compiler.plan import Plan
from ..atomic_file import write_atomically
from ..train.errors import MetricsError, TrainingError
from ..train.recorded_clock import clock_of, recorded_clock
from ..train.run_folder import RunFolder
from ..train.world import World
from .run_plan import read_run_plan

_WITHOUT_EFFECT = {"validate_every", "log_every", "checkpoint_every", "keep_checkpoints", "cpu_threads"}
"""Keys of `train` that do not change which steps a run takes."""


def repeat_clock(plan: Plan, folder: RunFolder, source: Path, world: World) -> Callable[[int], float]:
    """The clock of the run in `source`; a copy stays in the folder, for a resume goes by it too.

    Raises as `clock_to_repeat`.
    """
    began = clock_to_repeat(plan, source)
    if world.leads:
        write_atomically(folder.clock, [json.dumps(began).encode()])
    return clock_of(began)


def clock_to_repeat(plan: Plan, source: Path) -> tuple[float, ...]:
    """When the steps of the run in `source` began, which this run can go by.

    Raises:
        TrainingError, MetricsError, RunFolderError, CheckpointError: this run goes by no clock, or that one was trained
            by another recipe, did not come to its end, or does not tell its clock.
    """
    from .training import load_checkpoint  # it starts runs, and imports this

    if plan.spec.train.stop.seconds is None:
        raise TrainingError("--clock-from: train.stop gives no seconds, so this run goes by no clock; leave it out")
    other = read_run_plan(source)
    differs = _difference(plan.spec.plain["train"], other.spec.plain["train"])
    if differs is not None:
        raise TrainingError(f"--clock-from {source}: it was trained by another recipe: train.{differs} differs")
    began = recorded_clock(source / "metrics.jsonl")
    checkpoint = load_checkpoint(other, source)
    if checkpoint.itinerary["index"] <= len(other.spec.train.finish) or checkpoint.step != len(began):
        raise TrainingError(f"--clock-from {source}: its training did not come to its end; resume it first")
    return began


def resumed_clock(folder: RunFolder) -> Callable[[int], float] | None:
    """The clock that a resumed run went by before; None: its own.

    Raises:
        MetricsError: the copy in the folder was damaged.
    """
    if not folder.clock.exists():
        return None
    try:
        began = json.loads(folder.clock.read_text(encoding="utf-8"))
        if not isinstance(began, list) or not began or not all(type(at) in (int, float) for at in began):
            raise ValueError("not a list of seconds")
    except (ValueError, RecursionError) as error:
        raise MetricsError(f"{folder.clock} was damaged ({error}); start a new run with --clock-from") from error
    return clock_of(began)


def _difference(left: dict[str, Any], right: dict[str, Any]) -> str | None:
    return next((key for key in left if key not in _WITHOUT_EFFECT and left[key] != right.get(key)), None)
