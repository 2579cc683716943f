"""`loopspec runs`: the runs in a folder, and what each has come to."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ....compiler.source.wording import few, visible
from ...records.listing import SORT_KEYS, listing_json, listing_text, row_of, sorted_rows
from ...records.run_record import holds_run, read_run
from ..console import note
from ..errors import CLEAN, FAILURE, PROBLEMS, UserError
from ..help import describe
from ..run_arguments import RUNS

NAME = "runs"
SUMMARY = "the runs in a folder, and what each has come to"

_DESCRIPTION = """\
Lists run folders: spec, state, steps of how many, last training loss, last
validation BPB, the artifact's BPB, its bytes with code and what is left of the
limit, seconds of training, and when it last wrote. States are

  finished     it ended with a report
  trained      training came to its end; not packed and scored by `run`
  running      a live process holds its lock
  interrupted  it can be resumed
  failed       it gave up with an error since its last checkpoint
  damaged      a file cannot be read; the line below says which and why

Exit code 0: all are sound; 1: some are damaged."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec runs --sort artifact",
        "loopspec runs runs old/runs --sort when --reverse --format json",
    )
    about = f"run folders, or folders that hold some (default: {RUNS})"
    parser.add_argument("folders", metavar="DIR", type=Path, nargs="*", default=[RUNS], help=about)
    about = f"one of {', '.join(SORT_KEYS)} (default: name)"
    parser.add_argument("--sort", metavar="KEY", choices=tuple(SORT_KEYS), default="name", help=about)
    parser.add_argument("--reverse", action="store_true", help="greatest or latest first")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    paths = list(dict.fromkeys(path for folder in arguments.folders for path in _runs_in(folder)))
    rows = sorted_rows([row_of(read_run(path)) for path in paths], arguments.sort, reverse=arguments.reverse)
    if arguments.format == "json":
        print(json.dumps(listing_json(rows), indent=2))
    elif rows:
        print(listing_text(rows), end="")
    return PROBLEMS if any(row.faults for row in rows) else CLEAN


def _runs_in(folder: Path) -> Iterator[Path]:
    """The folder if it is a run, else the runs right below it; what is neither is told."""
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name one that holds runs, or start a run", FAILURE)
    if holds_run(folder):
        yield folder
        return
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    yield from (path for path in below if holds_run(path))
    _tell(folder, [path.name for path in below if not holds_run(path)], len(below))


def _tell(folder: Path, others: Sequence[str], all_of_them: int) -> None:
    if len(others) == all_of_them:
        note(f"{folder}: no run in it")
    elif others:
        note(f"{folder}: no run in {visible(few(others))}")
