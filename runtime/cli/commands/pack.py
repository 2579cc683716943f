"""`loopspec pack`: a run's weights into one artifact."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import CLEAN, PROBLEMS
from ..help import describe

NAME = "pack"
SUMMARY = "pack a run's weights into an artifact"

_DESCRIPTION = """\
Quantizes the weights of a run's latest checkpoint (their average, where the
spec declares one) as the spec's rules say, and writes the artifact: every
store once, with the resolved spec inside. Exit code 1 where artifact and code
are over the budget; the file is written all the same."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(parser, _DESCRIPTION, "loopspec pack runs/quickstart-001", "loopspec pack runs/wide -o wide.loopspec")
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="default: artifact.loopspec in the run folder"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from ...pipeline.console import Console
    from ...pipeline.packing import pack
    from ...pipeline.prepare import prepare_data
    from ...pipeline.report import size_record
    from ...pipeline.run import provenance
    from ...pipeline.training import checkpoint_weights, load_checkpoint, read_run_plan
    from ...train.run_folder import RunFolder
    from ..failures import reported

    console = Console()
    with reported(), RunFolder(arguments.run, resume=True, event=console.note):
        plan = read_run_plan(arguments.run)
        checkpoint = load_checkpoint(plan, arguments.run)
        console.note(f"weights after step {checkpoint.step:,}")
        if checkpoint.itinerary["index"] <= len(plan.spec.train.finish):
            console.note("this run has not come to its end; the artifact holds what there is so far")
        data = prepare_data(plan, console.note)
        path = arguments.output or arguments.run / "artifact.loopspec"
        weights = checkpoint_weights(plan, checkpoint)
        summary = pack(plan, weights, checkpoint.states, data.tokenizer, provenance(data), path)
    size = size_record(plan, summary.bytes)
    print(f"{path}: {summary.bytes:,} bytes, sha256 {summary.sha256}")
    print(
        f"with {size['code_bytes']:,} bytes of code {size['total_bytes']:,} of {size['limit_bytes']:,}, "
        f"margin {size['margin_bytes']:,}; predicted {size['predicted_bytes']:,}"
    )
    return CLEAN if size["margin_bytes"] >= 0 else PROBLEMS
