"""`loopspec train`: training alone."""

from __future__ import annotations

import argparse

from ..errors import CLEAN, INTERRUPTED
from ..help import describe
from ..run_arguments import add_run_arguments, launched, planned_run, several

NAME = "train"
SUMMARY = "train a spec into a run folder, or resume one"

_DESCRIPTION = """\
Trains a spec. The run folder gets the resolved spec, the plan, the model's
source, metrics.jsonl and checkpoints. Ctrl-C or SIGTERM finishes the step,
saves a checkpoint and ends with exit code 130; --resume goes on from the
latest checkpoint, on a CPU bit for bit as if it had never stopped.

--nproc starts several processes on this machine. On several machines start it
by torchrun: torchrun ... -m loopspec.runtime.cli train SPEC -o DIR, with DIR on
a disk that all of them see."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec train quickstart",
        "loopspec train my.yaml -o runs/wide --set model.dim=192",
        "loopspec train --resume runs/wide",
        "loopspec train my.yaml --nproc 2",
    )
    add_run_arguments(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    plan, path, options = planned_run(arguments)
    code = launched(arguments, NAME, path)
    if code is not None:
        return code
    from ...pipeline.session import training_session
    from ..failures import reported

    with reported(), training_session(plan, path, options) as session:
        result = session.trained.result
        if not session.world.leads:
            return CLEAN if result.outcome == "finished" else INTERRUPTED
    note = session.phases.console.note
    if result.outcome == "interrupted":
        note(f"go on with: loopspec train --resume {path}{several(arguments)}")
        return INTERRUPTED
    if result.step == result.resumed_step:
        note("this run was trained to its end before; nothing was left to do")
    print(f"{path}: {result.step:,} steps in {result.seconds:.1f} s, last loss {result.train_loss:.4f}")
    note(f"next: loopspec pack {path}")
    return CLEAN
