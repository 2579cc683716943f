"""`loopspec export`: a script that scores artifacts of a spec where loopspec is not installed."""

from __future__ import annotations

import argparse
from pathlib import Path

from ....compiler.size.code import code_bytes, is_wrapped, wrapped
from ...atomic_file import write_atomically
from ...standalone.sources import MAIN, script_sources
from ..console import note
from ..errors import CLEAN, UserError
from ..help import describe
from ..spec_argument import add_sets, add_spec, usable_plan

NAME = "export"
SUMMARY = "write a script that scores an artifact without loopspec"

_DESCRIPTION = """\
Writes one Python file that needs torch, numpy and zstandard, sentencepiece
for bits per byte, and not loopspec:

  python script.py ARTIFACT --shard FILE.bin ...

It opens an artifact of this spec with every check of the reader, rebuilds the
model, and scores the tokens of shards in the challenge's format as eval does.
It holds the emitted model and what that and the reader need of loopspec,
minified and compressed: these are the bytes that count as code in a budget.

An artifact of a spec with another model or another window of evaluation is
refused; data, training, quantization and budget may differ.

Prints the bytes of the file, and of what is in it before it is compressed. A
file that export did not write is left alone unless --force is given. Needs no
torch; the script does."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec export quickstart -o script.py",
        "loopspec export runs/quickstart-001/spec.yaml -o script.py",
        "loopspec export my.yaml -o build/script.py --set model.dim=576",
    )
    add_spec(parser)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="the script to write")
    parser.add_argument("--force", action="store_true", help="replace a file that export did not write, too")
    add_sets(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    plan = usable_plan(arguments.spec, arguments.set)
    output: Path = arguments.output
    _check(output, arguments.force)
    sources = script_sources(plan)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output, [wrapped(sources, MAIN).encode()])
    size = code_bytes(sources, MAIN)
    print(f"wrote {output} ({size.wrapped:,} bytes; of {size.minified:,} minified, {size.readable:,} readable)")
    limit = plan.size.code_bytes
    if size.wrapped > limit:
        note(f"budget.code_bytes is {limit:,}: {size.wrapped - limit:,} bytes less than this script takes")
    return CLEAN


def _check(output: Path, force: bool) -> None:
    """Raises UserError where something is in the place of the script that is not one."""
    if output.is_dir():
        raise UserError(f"{output} is a folder; give a file with -o")
    if force or not (output.exists() or output.is_symlink()):
        return
    if output.is_symlink() or not output.is_file() or not is_wrapped(output.read_bytes()):
        raise UserError(f"export did not write {output}; give another -o, or --force")
