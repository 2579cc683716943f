"""What `train` and `run` share: a spec and a new folder, or a folder to resume."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...compiler.plan import Plan
from .errors import FAILURE, UserError
from .spec_argument import add_sets, add_spec, usable_plan

RUNS = Path("runs")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """SPEC, --output, --resume, --device and --set."""
    add_spec(parser, nargs="?")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help="run folder (default: runs/NAME-001 and up)")
    parser.add_argument("--resume", metavar="DIR", type=Path, help="go on with the run in DIR, bit for bit on a CPU")
    add_device(parser)
    add_sets(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device."""
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one"
    )


def planned_run(arguments: argparse.Namespace) -> tuple[Plan, Path, bool]:
    """The plan, the run folder, and whether it is resumed.

    Raises:
        UserError: neither or both of SPEC and --resume, a spec with problems, or a folder without a run.
    """
    if (arguments.spec is None) == (arguments.resume is None):
        raise UserError("give a SPEC to start a run, or --resume DIR to go on with one", FAILURE)
    if arguments.resume is not None:
        if arguments.set or arguments.output:
            raise UserError("--set and --output start a new run; a resumed one keeps its spec and its folder", FAILURE)
        from ..pipeline.training import read_run_plan
        from .failures import reported

        with reported():
            return read_run_plan(arguments.resume), arguments.resume, True
    plan = usable_plan(arguments.spec, arguments.set)
    return plan, arguments.output or new_folder(plan.spec.name), False


def new_folder(name: str) -> Path:
    """The first of runs/NAME-001, runs/NAME-002, ... that is not there."""
    number = 1
    while (folder := RUNS / f"{name}-{number:03d}").exists():
        number += 1
    return folder
