"""`loopspec fit`: the largest model of a family that fits the budget."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ....compiler.check import Checked
from ....compiler.source.diagnostic import Diagnostic, Severity
from ....compiler.source.report import summary
from ...fit.axes import Axis, read_axis
from ...fit.candidate import Candidate, Constraint, Fault, measure, training_flops
from ...fit.errors import FitError
from ...fit.result import FitResult, fit_json, fit_text
from ...fit.search import find_frontier
from ..errors import CLEAN, FAILURE, PROBLEMS, UserError
from ..help import describe
from ..spec_argument import add_sets, add_spec, print_diagnostics, read_spec

NAME = "fit"
SUMMARY = "the largest model that fits the budget, over keys that vary"
BITS_PER_WEIGHT, ROWS = 2.5, 12
OVER_BUDGET = "LS401"

_DESCRIPTION = """\
Varies numbers of a spec and prints, for each combination of all keys but the
last, the largest value of the last with which the predicted artifact and its
code fit budget.bytes less budget.margin; best first. Combinations that are no
valid spec are skipped and counted. Of budget.bytes, where it is the last key,
it is the least with which it fits. Needs no torch.

A --vary is a key as --set has it, or with values: KEY=LOW..HIGH:STEP (without
STEP 16 of them) or KEY=A,B,C. A key alone goes from half to twice its value by
eighths. Not all combinations are planned: bytes are taken to grow with every
key, and where what was planned shows that they do not, all are, if there are
no more than 1,000. No search may plan more than 2,000.

Under rate_distortion any model fits, at fewer and fewer bits a weight; there a
model counts as fitting as long as its weights get --bits-per-weight. `bytes
at 2.5 bits` is what it needs for that, `bits at budget` what a weight gets if
the packer then fills the whole budget, as it does.

The loss proxy is a scaling law (Hoffmann et al. 2022): 1.69 + 406.4 / N^0.34 +
410.7 / D^0.28. N is the geometric mean of the parameters and of those of an
untied equivalent; D the tokens that the training of the spec as given would
pay for, which is --tokens, or 20 N. It orders candidates at equal compute; it
knows nothing of quantization, of the optimizer or of how a model is looped.

Exit code 0: something fits; 1: nothing does, or the spec has errors."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec fit frugendorff-6x2 --vary model.dim=400..900:20",
        "loopspec fit my.yaml --vary model.dim --vary blocks.core.mlp.ratio=2,3,4",
        "loopspec fit my.yaml --vary model.dim --by loss --tokens 2e9 --plot fit.svg",
    )
    add_spec(parser)
    about = "a key and what it takes; may be repeated"
    parser.add_argument("--vary", metavar="KEY[=VALUES]", action="append", required=True, help=about)
    about = "what is best: most parameters, or least loss proxy (default: parameters)"
    parser.add_argument("--by", choices=("parameters", "loss"), default="parameters", help=about)
    about = f"least bits a weight under rate_distortion (default: {BITS_PER_WEIGHT:g})"
    parser.add_argument("--bits-per-weight", metavar="N", type=float, default=BITS_PER_WEIGHT, help=about)
    parser.add_argument("--tokens", metavar="N", type=float, help="training tokens of the spec as given, for the proxy")
    about = "only what fits at the high end of its interval"
    parser.add_argument("--sure", action="store_true", help=about)
    parser.add_argument("--rows", metavar="N", type=int, default=ROWS, help=f"rows to print (default: {ROWS})")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--plot", metavar="FILE.svg", type=Path, help="also draw it; replaces the file")
    add_sets(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    _check(arguments)
    base = _base(arguments)
    assert base.plain is not None and base.plan is not None
    try:
        axes = [read_axis(given, base.plain) for given in arguments.vary]
        _check_axes(axes, arguments.set)
        result = _search(arguments, base, axes)
    except FitError as error:
        raise UserError(str(error), FAILURE) from error
    if arguments.plot is not None:
        _plot(arguments.plot, result)
    text = fit_text(result, arguments.rows)
    print(json.dumps(fit_json(result), indent=2) if arguments.format == "json" else text.removesuffix("\n"))
    return CLEAN if result.edge else PROBLEMS


def _check(arguments: argparse.Namespace) -> None:
    if arguments.spec == "-":
        raise UserError("fit reads the spec many times, so it cannot be standard input; give a file", FAILURE)
    if not 0 < arguments.bits_per_weight <= 8:
        raise UserError(f"--bits-per-weight must be above 0 and at most 8, not {arguments.bits_per_weight:g}", FAILURE)
    if arguments.tokens is not None and not 1 <= arguments.tokens < float("inf"):
        raise UserError(f"--tokens must be at least 1, not {arguments.tokens:g}", FAILURE)
    if arguments.rows < 1:
        raise UserError(f"--rows must be at least 1, not {arguments.rows}", FAILURE)


def _check_axes(axes: list[Axis], sets: list[str]) -> None:
    keys = [axis.key for axis in axes]
    fixed = {change.partition("=")[0].strip() for change in sets}
    for key in keys:
        if keys.count(key) > 1 or key in fixed:
            raise FitError(f"{key} is given twice; once, by --vary or by --set, is enough")


def _base(arguments: argparse.Namespace) -> Checked:
    """The spec as given, which may be over its budget but must have no other error."""
    checked = read_spec(arguments.spec, arguments.set)
    if _fault(checked):
        print_diagnostics(checked, sys.stderr)
        raise UserError(f"{arguments.spec}: {summary(checked.diagnostics)}")
    return checked


def _fault(checked: Checked) -> Diagnostic | None:
    """The first error that has nothing to do with the budget; None for a spec that can be planned."""
    errors = (item for item in checked.diagnostics if item.severity is Severity.ERROR and not item.expected)
    return next((item for item in errors if item.code != OVER_BUDGET), None)


def _search(arguments: argparse.Namespace, base: Checked, axes: list[Axis]) -> FitResult:
    assert base.plan is not None
    constraint = Constraint(arguments.bits_per_weight, arguments.sure)

    def at(place: tuple[int, ...]) -> Candidate | Fault:
        changes = [f"{axis.key}={axis.text(index)}" for axis, index in zip(axes, place, strict=True)]
        checked = read_spec(arguments.spec, [*arguments.set, *changes])
        fault = _fault(checked)
        if fault is not None:
            return Fault(place, fault.code, fault.message)
        assert checked.plan is not None  # as of every spec of which no error is unexpected but the budget's
        return measure(checked.plan, place, constraint)

    given = measure(base.plan, (), constraint)
    return FitResult(
        spec=arguments.spec,
        changes=tuple(arguments.set),
        axes=tuple(axes),
        frontier=find_frontier(axes, at),
        constraint=constraint,
        target_bytes=given.target_bytes,
        bits_per_weight=given.bits_per_weight,
        by=arguments.by,
        flops=training_flops(given, arguments.tokens),
    )


def _plot(path: Path, result: FitResult) -> None:
    from ...atomic_file import write_atomically
    from ...fit.plot import fit_svg

    try:
        write_atomically(path, [fit_svg(result).encode()])
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); name another file with --plot") from error
