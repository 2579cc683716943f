"""What `pack` refuses before any work: budgets that are none, outputs that would destroy a run, plans without a way.

Imports no torch, which takes seconds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ...compiler.check import SpecError
from ...compiler.plan import Plan
from ...compiler.schema import load_schema
from ...compiler.source.diagnostic import has_errors
from ...compiler.source.report import summary
from ...compiler.source.resolve import SourceDocument
from .console import note
from .errors import UserError
from .spec_argument import print_diagnostics, read_spec

ARTIFACT = "artifact.loopspec"
RUN_FILES = frozenset(
    (
        "spec.yaml",
        "plan.txt",
        "model.py",
        "metrics.jsonl",
        "report.json",
        "clock.json",
        "outcome.json",
        "measured_sizes.json",
        "lock",
    )
)
RUN_FOLDERS = frozenset(("checkpoints", "tensorboard"))


def whole_bytes(text: str) -> int:
    """A budget from the command line: digits alone, in the range of budget.bytes.

    Raises:
        ArgumentTypeError: anything else.
    """
    limits = load_schema()["properties"]["budget"]["properties"]["bytes"]
    least, most = limits["minimum"], limits["maximum"]
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes; give a whole number, such as 360000")
    if len(text.lstrip("0")) > len(str(most)) or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text} bytes are not from {least:,} to {most:,}")
    return int(text)


def artifact_path(run: Path, output: Path | None) -> Path:
    """Where the artifact goes; of a symbolic link the file that it leads to.

    Raises:
        UserError: a file of a run other than its artifact.
    """
    path = run / ARTIFACT if output is None else output
    real = path.resolve()
    folders = [run.resolve(), *(parent for parent in real.parents[:2] if (parent / "checkpoints").is_dir())]
    if any(_belongs(real, folder) for folder in folders):
        raise UserError(f"{path} is a file that a run needs, and would be lost; name another with -o")
    return real if path.is_symlink() else path


def _belongs(file: Path, run: Path) -> bool:
    if not file.is_relative_to(run) or file == run:
        return False
    first, *more = file.relative_to(run).parts
    return first in RUN_FOLDERS or (not more and first in RUN_FILES)


def plans(arguments: argparse.Namespace) -> tuple[Plan, Plan]:
    """The plan that the run was trained by, and the one to pack it by, whose knob may be still to be turned.

    Raises:
        UserError: no run, a policy with problems, a budget that cannot be met, or a knob that nothing has.
    """
    from ..pipeline.knobs import check_solvable
    from ..pipeline.replanning import repacked_plan
    from ..pipeline.run_plan import read_run_plan
    from ..quantize import QuantizeError
    from ..train.errors import RunFolderError

    like = None if arguments.like is None else policy_document(arguments.like)
    file = arguments.run / "spec.yaml"
    if not file.is_file():
        raise UserError(f"{arguments.run} holds no run to pack: there is no {file}; check the path")
    try:
        trained = read_run_plan(arguments.run)
        plan = repacked_plan(trained, arguments.budget, like)
        if arguments.solve is not None:
            check_solvable(plan, arguments.solve)
    except (RunFolderError, SpecError, QuantizeError) as fault:
        raise UserError(str(fault)) from fault
    margin = trained.spec.budget.margin
    if margin != plan.spec.budget.margin:
        note(f"budget.margin of {margin:,} bytes is left out: no scheme of this policy fits itself to the budget")
    return trained, plan


def policy_document(spec: str) -> SourceDocument:
    """The spec of --like as a tree; only its section `quantization` is to count, so only reading it can fail here.

    Raises:
        UserError: it cannot be read; the problems are on stderr.
    """
    checked = read_spec(spec)
    document = checked.document
    if not document.complete or has_errors(document.diagnostics):
        print_diagnostics(checked, sys.stderr)
        raise UserError(f"--like {spec}: {summary(checked.diagnostics)}")
    if "quantization" not in document.root.entries:
        note(f"{spec} says nothing of quantization: the default policy is taken")
    return document
