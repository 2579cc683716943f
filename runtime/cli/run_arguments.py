"""What `train` and `run` share: a spec and a new folder, or a folder to resume; and how it is carried out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...compiler.plan import Plan
from .errors import FAILURE, UserError
from .spec_argument import add_sets, add_spec, usable_plan

if TYPE_CHECKING:
    from ..pipeline.run_options import RunOptions

RUNS = Path("runs")
MERGES = ("first", "mean", "influence")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """SPEC, --output, --resume, --device, --set, and how the run is carried out."""
    add_spec(parser, nargs="?")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help="run folder (default: runs/NAME-001 and up)")
    parser.add_argument("--resume", metavar="DIR", type=Path, help="go on with the run in DIR, bit for bit on a CPU")
    add_device(parser)
    add_sets(parser)
    parser.add_argument("--nproc", metavar="N", type=_positive, default=1, help="processes on this machine")
    parser.add_argument("--warm-start", metavar="DIR", type=Path, help="start from the weights of the run in DIR")
    parser.add_argument(
        "--merge", choices=MERGES, default="mean", help="how blocks of that run that are one here become one"
    )
    parser.add_argument(
        "--clock-from", metavar="DIR", type=Path, help="repeat the recorded clock of the run in DIR (stop.seconds)"
    )
    parser.add_argument("--tensorboard", action="store_true", help="mirror the metrics in RUN/tensorboard")


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device."""
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one"
    )


def planned_run(arguments: argparse.Namespace) -> tuple[Plan, Path, RunOptions]:
    """The plan, the run folder, and how the run is carried out.

    Raises:
        UserError: neither or both of SPEC and --resume, a spec with problems, or a folder without a run.
    """
    if (arguments.spec is None) == (arguments.resume is None):
        raise UserError("give a SPEC to start a run, or --resume DIR to go on with one", FAILURE)
    new = (arguments.set, arguments.output, arguments.warm_start, arguments.clock_from)
    if arguments.resume is not None and any(new):
        message = "--set, --output, --warm-start and --clock-from start a new run; a resumed one keeps all of them"
        raise UserError(message, FAILURE)
    if arguments.merge != "mean" and arguments.warm_start is None:
        raise UserError("--merge says how a --warm-start merges blocks; give that too", FAILURE)
    plan = _plan(arguments)
    from ..pipeline.run_options import RunOptions

    options = RunOptions(
        device=arguments.device,
        resume=arguments.resume is not None,
        clock_from=arguments.clock_from,
        warm_start=arguments.warm_start,
        merge=arguments.merge,
        tensorboard=arguments.tensorboard,
    )
    return plan, arguments.resume or arguments.output or new_folder(plan.spec.name), options


def launched(arguments: argparse.Namespace, command: str, path: Path) -> int | None:
    """The exit code of the processes that --nproc asks for; None where this process is to train.

    Raises:
        UserError: one of them died.
    """
    from ..train.launched import LAUNCHED

    if arguments.nproc == 1 or LAUNCHED in os.environ or os.environ.get("WORLD_SIZE", "1") != "1":
        return None
    from ..pipeline.launcher import launch
    from ..train.errors import TrainingError

    try:  # not `reported`: it loads torch, and this process needs none
        return launch(_words(arguments, command, path), arguments.nproc)
    except TrainingError as fault:
        again = f"go on with: loopspec {command} --resume {path} --nproc {arguments.nproc}"
        raise UserError(f"{fault}\n{again}" if (path / "spec.yaml").exists() else str(fault)) from fault


def several(arguments: argparse.Namespace) -> str:
    """The option that repeats the number of processes, for a command line to go on with."""
    return f" --nproc {arguments.nproc}" if arguments.nproc > 1 else ""


def _words(arguments: argparse.Namespace, command: str, path: Path) -> list[str]:
    """The command line of one process; the folder is settled, so that all have the same."""
    words = [command, "--device", arguments.device, "--nproc", str(arguments.nproc)]
    words += ["--resume", str(path)] if arguments.resume is not None else [str(arguments.spec), "-o", str(path)]
    words += [word for change in arguments.set or () for word in ("--set", change)]
    for name in ("warm_start", "clock_from"):
        value = getattr(arguments, name)
        words += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    words += ["--merge", arguments.merge] if arguments.warm_start is not None else []
    return words + (["--tensorboard"] if arguments.tensorboard else [])


def _plan(arguments: argparse.Namespace) -> Plan:
    if arguments.resume is None:
        return usable_plan(arguments.spec, arguments.set)
    from ..pipeline.run_plan import read_run_plan
    from .failures import reported

    with reported():
        return read_run_plan(arguments.resume)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of processes")
    return number


def new_folder(name: str) -> Path:
    """The first of runs/NAME-001, runs/NAME-002, ... that is not there."""
    number = 1
    while (folder := RUNS / f"{name}-{number:03d}").exists():
        number += 1
    return folder
