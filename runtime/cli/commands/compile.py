"""`loopspec compile`: the emitted model and what belongs to it, as files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ....compiler.emit.dedup import dedup_map
from ....compiler.emit.source import emit_source
from ....compiler.plan import Plan
from ....compiler.source.wording import listing
from ....compiler.summary import plan_text
from ..errors import CLEAN, UserError
from ..help import describe
from ..output_folder import foreign_files, seal, write_folder
from ..resolved_text import resolved_text
from ..spec_argument import add_sets, add_spec, usable_plan

NAME = "compile"
SUMMARY = "write the model's source, its dedup map and its plan"

_DESCRIPTION = """\
Writes into DIR, which is made where it is not there:

  model.py        the model, one class with a straight-line method a mode
  dedup_map.json  every store with the sites that read it, and the inverse
  plan.txt        the plan, as `loopspec plan` prints it
  spec.yaml       the resolved spec, which alone gives the other three

All or nothing is written. Files of these names that compile did not write, or
that were changed since, are left alone unless --force is given. Needs no
torch; running model.py does."""

_SPEC = "spec.yaml"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec compile quickstart -o build/quickstart",
        "loopspec compile my.yaml -o build/wide --set model.dim=576",
    )
    add_spec(parser)
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="the folder to write to")
    about = "replace files that compile did not write, too"
    parser.add_argument("--force", action="store_true", help=about)
    add_sets(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    texts = _texts(usable_plan(arguments.spec, arguments.set))
    folder: Path = arguments.output
    foreign = [] if arguments.force else foreign_files(folder, texts, _SPEC)
    if foreign:
        what = f"{listing(foreign)} in {folder}"
        raise UserError(f"compile did not write {what}, or it was changed since; give another -o, or --force")
    write_folder(folder, texts)
    for name, text in texts.items():
        print(f"wrote {folder / name} ({len(text.encode()):,} bytes)")
    return CLEAN


def _texts(plan: Plan) -> dict[str, str]:
    texts = {
        "model.py": emit_source(plan),
        "dedup_map.json": json.dumps(dedup_map(plan), indent=2) + "\n",
        "plan.txt": plan_text(plan),
        _SPEC: resolved_text(plan.spec.plain, plan),
    }
    return seal(texts, _SPEC)
