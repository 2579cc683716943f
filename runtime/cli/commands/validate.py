"""`loopspec validate`: checks specs and prints every problem."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ....compiler.check import Checked, check_sized
from ....compiler.plan import Plan
from ....compiler.plan_json import budget_json
from ....compiler.source.report import as_dict, ordered, render, summary
from ..calibrated_size import add_calibrate, calibrated_plan
from ..errors import CLEAN, PROBLEMS
from ..help import describe
from ..spec_argument import add_sets, add_spec, print_diagnostics, read_spec, refuse_two_inputs

NAME = "validate"
SUMMARY = "check specs; every problem with its place and its mend"

_DESCRIPTION = """\
Checks specs against the language, the rules of sharing, training and
quantization, and the byte budget. Prints all problems of all specs, each with
its place and its mend, then one line a spec. Needs no torch.

Exit code 0: no errors (warnings and expected problems pass); 1: errors."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec validate my.yaml",
        "loopspec validate --format github specs/*.yaml",
        "loopspec validate quickstart --set model.dim=192 --format json",
        "loopspec validate my.yaml --calibrate runs/my-001",
    )
    add_spec(parser, nargs="+")
    parser.add_argument("--format", choices=("text", "json", "github"), default="text", help="default: text")
    add_sets(parser)
    add_calibrate(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    refuse_two_inputs(arguments.spec)
    results = [(spec, _refined(read_spec(spec, arguments.set), arguments.calibrate)) for spec in arguments.spec]
    if arguments.format == "json":
        values = [_as_json(name, checked) for name, checked in results]
        print(json.dumps(values[0] if len(values) == 1 else values, indent=2))
    else:
        _print_lines(results, arguments.format)
    return CLEAN if all(checked.ok for _, checked in results) else PROBLEMS


def _refined(checked: Checked, run: Path | None) -> Checked:
    if run is None or checked.plan is None:
        return checked
    return check_sized(checked, calibrated_plan(checked.plan, run).size)


def _print_lines(results: list[tuple[str, Checked]], form: str) -> None:
    """Diagnostics to stdout; the verdicts too, but in GitHub's format to stderr."""
    for _, checked in results:
        if form == "github":
            print(render(form, checked.diagnostics, checked.document.texts), end="")
        else:
            print_diagnostics(checked, sys.stdout)
    for name, checked in results:
        print(_verdict(name, checked), file=sys.stderr if form == "github" else sys.stdout)


def _verdict(name: str, checked: Checked) -> str:
    found = summary(checked.diagnostics)
    words = [name, "ok" if checked.ok else "not ok", *([found] if found else [])]
    plan = checked.plan
    return ": ".join([*words, *([] if plan is None else [_figures(plan)])])


def _figures(plan: Plan) -> str:
    size = plan.size
    predicted = f"{size.predicted_bytes:,} of {size.limit_bytes:,} bytes predicted"
    return f"{plan.parameters:,} parameters, {predicted} ({size.low_bytes:,} to {size.high_bytes:,})"


def _as_json(name: str, checked: Checked) -> dict[str, Any]:
    plan = checked.plan
    return {
        "ok": checked.ok,
        "spec": name,
        "diagnostics": [as_dict(item) for item in ordered(checked.diagnostics)],
        "budget": None if plan is None else budget_json(plan.size),
    }
