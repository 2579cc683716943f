"""`loopspec plan`: what a spec compiles to, before any run."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from ....compiler.check import Checked, check_sized
from ....compiler.dump import dump_draft
from ....compiler.passes import PASSES, run_passes
from ....compiler.plan import Plan
from ....compiler.plan_json import plan_json
from ....compiler.source.report import summary
from ....compiler.source.wording import did_you_mean, listing, quoted
from ....compiler.summary import plan_text
from ..calibrated_size import add_calibrate, calibrated_plan
from ..console import complain
from ..errors import CLEAN, FAILURE, PROBLEMS, UserError
from ..help import describe
from ..spec_argument import add_sets, add_spec, print_diagnostics, read_spec

if TYPE_CHECKING:
    from ....compiler.size.code import CodeBytes

NAME = "plan"
SUMMARY = "what is stored, where it runs, what it costs and weighs"

_DESCRIPTION = """\
Prints the plan of a spec: parameters, predicted bytes, the modes and their
cost, the cadence, the positions at which blocks run and the features that land
there, and every store with its shape, its scheme and its uses. Equal specs
give equal text. Needs no torch.

Problems of the spec go to stderr. Exit code 1: it has errors; the plan is
still printed where the spec got that far, as with one that is over budget."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec plan frugendorff-6x2",
        "loopspec plan my.yaml --set graph.0.loops=3 --format json",
        "loopspec plan my.yaml --code",
        "loopspec plan my.yaml --dump-after bind",
    )
    add_spec(parser)
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    about = "also the bytes of the script that export writes, beside budget.code_bytes (a second)"
    parser.add_argument("--code", action="store_true", help=about)
    about = "instead, print what the passes up to PASS have found"
    shape.add_argument("--dump-after", metavar="PASS", help=about)
    add_sets(parser)
    add_calibrate(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    until = _pass_name(arguments.dump_after)
    if arguments.code and until is not None:
        raise UserError("--code adds to the plan, which --dump-after does not print; give one of them", FAILURE)
    checked = read_spec(arguments.spec, arguments.set)
    if arguments.calibrate is not None and checked.plan is not None:
        checked = check_sized(checked, calibrated_plan(checked.plan, arguments.calibrate).size)
    print_diagnostics(checked, sys.stderr)
    if checked.draft is not None:
        script = _script(checked.plan) if arguments.code else None
        print(_shown(checked, until, arguments.format, script), end="")
    if not checked.ok:
        complain(f"{arguments.spec}: {summary(checked.diagnostics)}")
    return CLEAN if checked.ok else PROBLEMS


def _pass_name(given: str | None) -> str | None:
    names = [step.name for step in PASSES]
    if given is None or given in names:
        return given
    hint = did_you_mean(given, names)
    near = f"{hint} " if hint.startswith("did") else ""
    raise UserError(f"there is no pass {quoted(given)}; {near}the passes are {listing(names)}", FAILURE)


def _script(plan: Plan | None) -> CodeBytes:
    from ...standalone.sources import script_bytes  # reads sixty files

    assert plan is not None
    return script_bytes(plan)


def _shown(checked: Checked, until: str | None, form: str, script: CodeBytes | None) -> str:
    assert checked.draft is not None and checked.plan is not None
    if until is not None:
        return dump_draft(run_passes(checked.draft.spec, until))
    if form == "json":
        found = plan_json(checked.plan) | ({} if script is None else {"script": asdict(script)})
        return json.dumps(found, indent=2) + "\n"
    return plan_text(checked.plan, script)
