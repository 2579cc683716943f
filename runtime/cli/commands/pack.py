"""`loopspec pack`: a run's weights into one artifact."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CLEAN, PROBLEMS
from ..help import describe
from ..packing_arguments import artifact_path, plans, whole_bytes

if TYPE_CHECKING:
    from ....compiler.plan import Plan
    from ...pipeline.console import Console
    from ...pipeline.packing import Packed
    from ...train.checkpoint import Checkpoint

NAME = "pack"
SUMMARY = "pack a run's weights into an artifact"

_DESCRIPTION = """\
Quantizes the weights of a run's latest checkpoint (their average, where the
spec declares one) as the spec's rules say, and writes the artifact: every
store once, with the resolved spec inside. Stores of kind rate_distortion get
the steps at which artifact and code fill the budget.

--like takes the policy alone from another spec; its model, data and budget do
not count. --solve turns one knob of its integer rules until the budget is
met: k, the clip in standard deviations; bits, for all rules alike; or prune,
the share of weights that becomes zero.

What is printed on the way: each trial is an artifact built to see its size.
Lambda is the one number that all steps of kind rate_distortion follow: four
times the lambda is steps four times as wide. A store is at the finest end of
its grid where no step that it can have is finer, so that more bytes would not
help it. Weights at the ends of their grids lie further out than the grid of
their step goes, and become its last value. In --bits-table, loss/1e6 is the
predicted rise of the loss in millionths of a nat a token.

An artifact in the run's own place (no -o), by its own policy, leaves its sizes
in RUN/measured_sizes.json for validate --calibrate RUN; one on fixed grids at
-o FILE leaves them in FILE.measured_sizes.json for validate --calibrate FILE.

Exit code 1: artifact and code are over the budget. On fixed grids without
--solve the file is written all the same. Where rate_distortion or --solve
cannot meet the budget no file is written, and one that is there stays."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec pack runs/quickstart-001",
        "loopspec pack runs/wide -o wide.loopspec --budget 400000 --bits-table",
        "loopspec pack runs/wide -o int6.loopspec --like int6.yaml --solve k",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="default: artifact.loopspec in the run folder"
    )
    about = "instead of the spec's budget.bytes: a whole number, code included"
    parser.add_argument("--budget", metavar="BYTES", type=whole_bytes, help=about)
    about = "take the section quantization from this spec: a file, `-`, or a shipped name"
    parser.add_argument("--like", metavar="SPEC", help=about)
    about = "turn this knob of the integer rules until the budget is met"
    parser.add_argument("--solve", choices=("k", "bits", "prune"), help=about)
    parser.add_argument("--bits-table", action="store_true", help="print what each store got and what it costs")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    path = artifact_path(arguments.run, arguments.output)
    trained, plan = plans(arguments)
    from ...artifact import check_target
    from ...pipeline.bits_table import bits_text, store_bits, strain_text
    from ...pipeline.console import Console
    from ...pipeline.packing import float32_arrays, pack
    from ...pipeline.prepare import prepare_data
    from ...pipeline.repacking import solved_plan
    from ...pipeline.training import checkpoint_weights
    from ...train.run_folder import RunFolder
    from ..failures import reported

    console = Console()
    with reported(), RunFolder(arguments.run, resume=True, event=console.note):
        check_target(path)
        checkpoint, over = _loaded(trained, arguments.run, console)
        weights = checkpoint_weights(trained, checkpoint)
        data = prepare_data(trained, console.note)
        if arguments.solve is not None:
            budget = plan.spec.budget.bytes
            plan = solved_plan(plan, arguments.solve, budget, weights, checkpoint.states, data, console)
        packed = pack(plan, weights, checkpoint.states, data, path, console, measure=arguments.bits_table)
        _measure(arguments, path, plan, packed, checkpoint.step, over=over)
    if arguments.bits_table:
        print(bits_text(store_bits(plan, packed, float32_arrays(plan, weights))))
    strain = strain_text(plan, packed)
    if strain is not None:
        console.note(strain)
    return _told(path, plan, packed)


def _loaded(trained: Plan, run: Path, console: Console) -> tuple[Checkpoint, bool]:
    """The checkpoint, and whether training has come to its end."""
    from ...pipeline.training import load_checkpoint

    checkpoint = load_checkpoint(trained, run)
    console.note(f"weights after step {checkpoint.step:,}")
    over: bool = checkpoint.itinerary["index"] > len(trained.spec.train.finish)
    if not over:
        console.note("this run has not come to its end; the artifact holds what there is so far")
    return checkpoint, over


def _measure(arguments: argparse.Namespace, path: Path, plan: Plan, packed: Packed, steps: int, *, over: bool) -> None:
    """Keeps the sizes of an artifact in the run's own place only where they are of the run's own policy."""
    from ...pipeline.measurement import write_measurement, write_measurement_beside

    if path.resolve() != artifact_path(arguments.run, None).resolve():
        write_measurement_beside(path, plan, packed.contents, steps, over=over)
    elif arguments.like is None and arguments.solve is None:
        write_measurement(arguments.run, plan, packed.contents, steps, over=over)


def _told(path: Path, plan: Plan, packed: Packed) -> int:
    """Prints the sizes; the exit code."""
    from ...pipeline.report import size_record

    summary, size = packed.summary, size_record(plan, packed.summary.bytes)
    print(f"{path}: {summary.bytes:,} bytes, sha256 {summary.sha256}")
    print(
        f"with {size['code_bytes']:,} bytes of code {size['total_bytes']:,} of {size['limit_bytes']:,}, "
        f"margin {size['margin_bytes']:,}; predicted {size['predicted_bytes']:,}"
    )
    return CLEAN if size["margin_bytes"] >= 0 else PROBLEMS
