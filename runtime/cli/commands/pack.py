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
store once, with the resolved spec inside. Stores of kind rate_distortion get
the steps at which artifact and code fill the budget. Exit code 1 where they are
over it all the same; the file is written."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec pack runs/quickstart-001",
        "loopspec pack runs/wide -o wide.loopspec --budget 400000 --bits-table",
        "loopspec pack runs/wide --like int6.yaml --solve k",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="default: artifact.loopspec in the run folder"
    )
    parser.add_argument("--budget", metavar="BYTES", type=int, help="instead of the spec's budget.bytes")
    parser.add_argument("--like", metavar="SPEC", help="take the section quantization from this spec")
    parser.add_argument(
        "--solve", choices=("k", "bits", "prune"), help="turn this knob of the integer rules until the budget is met"
    )
    parser.add_argument("--bits-table", action="store_true", help="print what each store got and what it costs")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from ...pipeline.bits_table import bits_text, store_bits
    from ...pipeline.console import Console
    from ...pipeline.measurement import write_measurement
    from ...pipeline.packing import float32_arrays, pack
    from ...pipeline.prepare import prepare_data
    from ...pipeline.repacking import NO_LIMIT, repacked_plan, solved_plan
    from ...pipeline.report import size_record
    from ...pipeline.training import checkpoint_weights, load_checkpoint, read_run_plan
    from ...train.run_folder import RunFolder
    from ..failures import reported

    console = Console()
    with reported(), RunFolder(arguments.run, resume=True, event=console.note):
        trained = read_run_plan(arguments.run)
        checkpoint = load_checkpoint(trained, arguments.run)
        console.note(f"weights after step {checkpoint.step:,}")
        over = checkpoint.itinerary["index"] > len(trained.spec.train.finish)
        if not over:
            console.note("this run has not come to its end; the artifact holds what there is so far")
        data = prepare_data(trained, console.note)
        path = arguments.output or arguments.run / "artifact.loopspec"
        weights = checkpoint_weights(trained, checkpoint)
        if arguments.solve is None:
            plan = repacked_plan(trained, arguments.budget, arguments.like)
        else:
            budget = trained.spec.budget.bytes if arguments.budget is None else arguments.budget
            policy = repacked_plan(trained, NO_LIMIT, arguments.like)
            plan = solved_plan(policy, arguments.solve, budget, weights, checkpoint.states, data, console)
        packed = pack(plan, weights, checkpoint.states, data, path, console, measure=arguments.bits_table)
        write_measurement(arguments.run, plan, packed.contents, checkpoint.step, over=over)
    if arguments.bits_table:
        print(bits_text(store_bits(plan, packed, float32_arrays(plan, weights))))
    summary, size = packed.summary, size_record(plan, packed.summary.bytes)
    print(f"{path}: {summary.bytes:,} bytes, sha256 {summary.sha256}")
    print(
        f"with {size['code_bytes']:,} bytes of code {size['total_bytes']:,} of {size['limit_bytes']:,}, "
        f"margin {size['margin_bytes']:,}; predicted {size['predicted_bytes']:,}"
    )
    return CLEAN if size["margin_bytes"] >= 0 else PROBLEMS
