"""`loopspec compare`: runs side by side at equal steps, tokens or FLOPs."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from ...records.comparison import LETTERS, Comparison, compare
from ...records.comparison_data import comparison_csv, comparison_json
from ...records.comparison_text import comparison_text
from ...records.readings import CLOCKS, Clock
from ...records.run_record import RunRecord, holds_run, read_run
from ..console import note
from ..errors import CLEAN, FAILURE, UserError
from ..help import describe
from ..run_spec_diff import RunSpecChanges, difference_json, difference_text, loss_warnings, run_spec_changes

NAME = "compare"
SUMMARY = "runs side by side at equal steps, tokens or FLOPs"
POINTS, WINDOW = 5, 20
DEFAULT_CLOCKS: tuple[Clock, ...] = ("steps", "tokens", "flops")

_DESCRIPTION = """\
Compares runs at points of a clock that all of them have reached: training loss
(mean of the last records, --window), the learning rate's multiplier, and
validation BPB; then their last figures, sizes and scores, and how their specs
differ. Nothing is interpolated: a run is shown by its last record at or before
the point, and where that is earlier than the point its position follows an @.

Seconds are as recorded: they compare machines as much as runs. Where learning
rates do not stand at the same place of their schedules, as at equal steps
under a wall-clock schedule, a warning says so. Exit code 2: damaged runs."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec compare runs/a runs/b",
        "loopspec compare runs/a runs/b runs/c --at tokens --points 10",
        "loopspec compare runs/a runs/b --at end --format json",
    )
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="a run folder; give two or more")
    about = (
        "steps, tokens, flops, seconds, or end for the last figures alone; may be repeated (default: the first three)"
    )
    parser.add_argument("--at", metavar="CLOCK", choices=(*CLOCKS, "end"), action="append", help=about)
    parser.add_argument("--points", metavar="N", type=int, default=POINTS, help=f"at most (default: {POINTS})")
    about = f"records that a training loss is the mean of (default: {WINDOW})"
    parser.add_argument("--window", metavar="N", type=int, default=WINDOW, help=about)
    parser.add_argument("--format", choices=("text", "json", "csv"), default="text", help="default: text")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    if not 2 <= len(arguments.runs) <= len(LETTERS):
        raise UserError(f"give 2 to {len(LETTERS)} run folders, not {len(arguments.runs)}", FAILURE)
    for name in ("points", "window"):
        if getattr(arguments, name) < 1:
            raise UserError(f"--{name} must be at least 1, not {getattr(arguments, name)}", FAILURE)
    chosen: list[str] = arguments.at or list(DEFAULT_CLOCKS)
    clocks = [clock for clock in CLOCKS if clock in chosen]
    runs = [_sound_run(path) for path in arguments.runs]
    changes = run_spec_changes(runs)
    comparison = compare(runs, clocks, arguments.points, arguments.window)
    comparison = replace(comparison, warnings=(*loss_warnings(changes), *comparison.warnings))
    _print(comparison, changes, arguments.format)
    return CLEAN


def _sound_run(path: Path) -> RunRecord:
    """The run in a folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if not path.is_dir():
        raise UserError(f"{path}: there is no such run folder; `loopspec runs` lists those in runs", FAILURE)
    if not holds_run(path):
        raise UserError(f"{path}: no run in it; `loopspec runs {path}` lists those below it", FAILURE)
    run = read_run(path)
    if run.faults:
        raise UserError(f"{path} is damaged: {'; '.join(run.faults)}; leave it out", FAILURE)
    return run


def _print(comparison: Comparison, changes: list[RunSpecChanges], form: str) -> None:
    if form == "json":
        print(json.dumps(comparison_json(comparison, difference_json(changes)), indent=2))
    elif form == "csv":
        for warning in comparison.warnings:
            note(f"warning: {warning}")
        print(comparison_csv(comparison), end="")
    else:
        print(comparison_text(comparison, difference_text(comparison.runs, changes)), end="")
