"""`loopspec diff`: what a change of a spec changes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from ....compiler.plan import Plan
from ....compiler.source.report import summary
from ..diff_text import diff_json, diff_text
from ..errors import CLEAN, FAILURE, PROBLEMS, UserError
from ..help import describe
from ..plan_diff import plan_changes
from ..spec_argument import add_sets, add_spec, print_diagnostics, read_spec, refuse_two_inputs
from ..spec_diff import spec_changes

NAME = "diff"
SUMMARY = "what differs between two specs and between their plans"

_DESCRIPTION = """\
Compares two specs as they are understood (parents merged, defaults filled in),
key by key, and then their plans: parameters, predicted bytes, and the stores
that are gone, new, of another shape, or trained or stored otherwise. --set
applies to B only, so that a spec can be compared with a change of itself.

Exit code 0: equal; 1: different; 2: a spec that has no plan."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec diff baseline-9l cycle-3x9",
        "loopspec diff my.yaml my.yaml --set graph.0.loops=3",
        "loopspec diff old.yaml new.yaml --format json",
    )
    add_spec(parser, "a")
    add_spec(parser, "b")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    add_sets(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    refuse_two_inputs([arguments.a, arguments.b])
    plain_a, plan_a = _usable(arguments.a)
    plain_b, plan_b = _usable(arguments.b, arguments.set)
    keys, plans = spec_changes(plain_a, plain_b), plan_changes(plan_a, plan_b)
    names = (arguments.a, " ".join([arguments.b, *(f"--set {change}" for change in arguments.set)]))
    if arguments.format == "json":
        print(json.dumps(diff_json(names, keys, plans), indent=2))
    else:
        print(diff_text(names, keys, plans), end="")
    return PROBLEMS if keys or plans.any else CLEAN


def _usable(spec: str, sets: Sequence[str] = ()) -> tuple[dict[str, Any], Plan]:
    """The resolved document and the plan; problems that leave a plan, such as too many bytes, are only printed."""
    checked = read_spec(spec, sets)
    print_diagnostics(checked, sys.stderr)
    plan = checked.plan
    if checked.plain is None or plan is None:
        raise UserError(f"{spec}: {summary(checked.diagnostics)}", FAILURE)
    return checked.plain, plan
