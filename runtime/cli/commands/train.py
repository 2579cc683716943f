"""`loopspec train`: training alone."""

from __future__ import annotations

import argparse

from ..errors import CLEAN, INTERRUPTED
from ..help import describe
from ..run_arguments import add_run_arguments, planned_run

NAME = "train"
SUMMARY = "train a spec into a run folder, or resume one"

_DESCRIPTION = """\
Trains a spec. The run folder gets the resolved spec, the plan, the model's
source, metrics.jsonl and checkpoints. Ctrl-C or SIGTERM finishes the step,
saves a checkpoint and ends with exit code 130; --resume goes on from the
latest checkpoint, on a CPU bit for bit as if it had never stopped."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec train quickstart",
        "loopspec train my.yaml -o runs/wide --set model.dim=192",
        "loopspec train --resume runs/wide",
    )
    add_run_arguments(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    plan, path, resume = planned_run(arguments)
    from ...pipeline.console import Console
    from ...pipeline.run import Phases, train_phases
    from ...train.run_folder import RunFolder
    from ..failures import reported

    phases = Phases(Console())
    with reported(), RunFolder(path, resume=resume, event=phases.console.note) as folder:
        _, trained = train_phases(plan, folder, arguments.device, phases, resume=resume)
    if trained.result.outcome == "interrupted":
        phases.console.note(f"go on with: loopspec train --resume {path}")
        return INTERRUPTED
    print(
        f"{path}: {trained.result.step:,} steps in {trained.result.seconds:.1f} s, "
        f"last loss {trained.result.train_loss:.4f}"
    )
    phases.console.note(f"next: loopspec pack {path}")
    return CLEAN
