"""`run`: data, training, float scores, artifact, the artifact's score in a fresh process, report."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...compiler.plan import Plan
from ...compiler.spec.train import Train
from ..artifact import ArtifactError
from ..atomic_file import write_atomically
from ..data.token_source import TokenData
from ..evaluate.compressors import xz_bits_per_byte
from ..evaluate.order3 import order3_bits_per_byte
from ..train.run_folder import RunFolder
from ..train.world import World
from .console import Console
from .measurement import write_measurement
from .packing import pack
from .prepare import prepare_data, training_text
from .report import Report, size_record
from .run_options import RunOptions
from .scoring import score_weights
from .training import Trained, train

PRINTED = 200  # characters of unexpected output that an error shows


@dataclass(slots=True)
class Phases:
    """Announces each phase and keeps its wall-clock seconds."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, about: str) -> Iterator[None]:
        """Times the block under `name`."""
        self.console.note(f"== {about}")
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began


def train_phases(
    plan: Plan, folder: RunFolder, options: RunOptions, phases: Phases, world: World, device: torch.device
) -> tuple[TokenData, Trained]:
    """Data and training; leaves spec, plan, source, metrics and checkpoints in the folder."""
    note = phases.console.note
    note(f"run folder {folder.path}")
    with phases.phase("data", "data"):
        if not world.leads:
            world.wait()  # the first to come makes what is cached
        data = prepare_data(plan, note, phases.console.counter("shards"))
        if world.leads:
            world.wait()
    only = plan.training_only_parameters
    count = f"{plan.parameters:,} parameters" + (f" ({only:,} of them in training alone)" if only else "")
    with phases.phase("training", f"training {plan.spec.name}: {count}, {length_text(plan.spec.train)}"):
        trained = train(plan, data, folder, device, world, options, note)
    return data, trained


def length_text(train: Train) -> str:
    """How long training is: `600 steps`, `600 seconds or 5,000 steps, whichever comes first`."""
    stop = train.stop
    limits = [] if stop.training_seconds is None else [f"{stop.training_seconds:g} seconds"]
    limits += [] if stop.steps is None else [f"{stop.steps:,} steps"]
    limits += [] if stop.tokens is None else [f"{stop.tokens:,} tokens"]
    after = sum(part.step_count for part in train.finish)
    text = " or ".join(limits) + (", whichever comes first" if len(limits) > 1 else "")
    return text + (f", then {after:,} steps of {' and '.join(part.kind for part in train.finish)}" if after else "")


def finish_run(plan: Plan, folder: RunFolder, data: TokenData, trained: Trained, phases: Phases) -> Report:
    """Everything after training: float scores, the artifact and its own score, yardsticks, report.json."""
    averaged = trained.averaged
    with phases.phase("float scores", "scoring the float weights"):
        counter = phases.console.counter
        scored_weights = partial(score_weights, plan, trained.module, trained.states, data)
        stop = scored_weights(trained.last, counter("at stop"))
        average = None if averaged is None else scored_weights(averaged, counter("averaged"))
    with phases.phase("packing", "packing"):
        packed = pack(
            plan, trained.weights, trained.states, data, folder.artifact, phases.console, device=trained.device
        )
        summary = packed.summary
        write_measurement(folder.path, plan, packed.contents, trained.result.step, over=True)
    phases.console.note(f"{folder.artifact}: {summary.bytes:,} bytes, sha256 {summary.sha256}")
    with phases.phase("artifact score", "scoring the artifact in a fresh process"):
        scored = score_in_fresh_process(folder.artifact, trained.device)
    with phases.phase("yardsticks", "yardsticks on the same text"):
        yardsticks = measure_yardsticks(plan, data)
    report = Report(
        spec=plan.spec.name,
        parameters=plan.exported_parameters,
        training_only_parameters=plan.training_only_parameters,
        effective_parameters=plan.effective_parameters,
        size=size_record(plan, summary.bytes),
        scores={
            "stop": stop.bits_per_byte,
            "average": None if average is None else average.bits_per_byte,
            "artifact": scored["bits_per_byte"],
            "artifact_non_overlapping": scored["non_overlapping_bits_per_byte"],
        },
        yardsticks=yardsticks,
        # of the whole training: this process may have resumed it, or found it finished
        seconds={**phases.seconds, "training": trained.result.seconds, **trained.result.elsewhere},
        peak_memory_bytes=trained.result.peak_memory_bytes,
        flops=trained.result.flops,
        training=asdict(trained.result),
        artifact={"path": str(folder.artifact), "sha256": summary.sha256},
    )
    write_atomically(folder.report, [report.json_text().encode()])
    return report


def score_in_fresh_process(artifact: Path, device: str) -> dict[str, Any]:
    """`loopspec eval ARTIFACT --format json` in a new interpreter, so that nothing but the file can matter.

    Raises:
        ArtifactError: the other process failed, and has said why, or printed something else than a score.
    """
    command = [
        sys.executable,
        "-P",  # a json.py where the user happens to stand is not ours to import
        "-m",
        "loopspec.runtime.cli",
        "eval",
        str(artifact),
        "--non-overlapping",
        "--device",
        device,
        "--format",
        "json",
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", errors="replace", check=False)
    if done.returncode != 0:
        raise ArtifactError(f"{artifact}: scoring it in a fresh process failed (exit code {done.returncode})")
    return _scored(artifact, done.stdout)


def _scored(artifact: Path, printed: str) -> dict[str, Any]:
    """What the other process printed, as a record."""
    fault = ArtifactError(
        f"{artifact}: scoring it in a fresh process printed no score but {printed[:PRINTED]!r}; "
        f"see what {sys.executable} prints when it starts (a sitecustomize?)"
    )
    try:
        record = json.loads(printed)
    except ValueError as error:
        raise fault from error
    if not isinstance(record, dict) or not {"bits_per_byte", "non_overlapping_bits_per_byte"} <= record.keys():
        raise fault
    return record


def measure_yardsticks(plan: Plan, data: TokenData) -> dict[str, float]:
    """Bits per byte of `xz -9e`, and of an order-3 byte model where the training text is at hand."""
    if data.validation_text is None:
        return {}
    yardsticks = {"xz -9e": xz_bits_per_byte(data.validation_text)}
    text = training_text(plan)
    if text is not None:
        yardsticks["order-3 bytes"] = order3_bits_per_byte(text, data.validation_text)
    return yardsticks
