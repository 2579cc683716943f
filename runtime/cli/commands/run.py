"""`loopspec run`: the whole way from a spec to the score of its artifact."""

from __future__ import annotations

import argparse

from ..errors import CLEAN, INTERRUPTED, PROBLEMS
from ..help import describe
from ..run_arguments import add_run_arguments, launched, planned_run, several

NAME = "run"
SUMMARY = "the whole way: train, pack, and score the packed artifact"

_DESCRIPTION = """\
Validates, trains, packs and scores a spec, and ends with a table: parameters,
bytes predicted and real, bits per byte (BPB) of the float weights and of the
artifact, seconds a phase. The artifact is scored in a fresh process from the
file alone. Ctrl-C saves a checkpoint; --resume goes on. Exit code 1 where
artifact and code are over the budget."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec run quickstart",
        "loopspec run quickstart -o runs/short --set train.stop.steps=800",
        "loopspec run --resume runs/short",
        "loopspec run my.yaml --nproc 2",
    )
    add_run_arguments(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    plan, path, options = planned_run(arguments)
    code = launched(arguments, NAME, path)
    if code is not None:
        return code
    from ...pipeline.report import report_text
    from ...pipeline.run import finish_run
    from ...pipeline.session import training_session
    from ..failures import reported

    with reported(), training_session(plan, path, options) as session:
        if session.trained.result.outcome == "interrupted":
            session.phases.console.note(f"go on with: loopspec run --resume {path}{several(arguments)}")
            return INTERRUPTED
        if not session.world.leads:
            return CLEAN
        report = finish_run(plan, session.folder, session.data, session.trained, session.phases)
    print(report_text(report), end="")
    return CLEAN if report.size["margin_bytes"] >= 0 else PROBLEMS
