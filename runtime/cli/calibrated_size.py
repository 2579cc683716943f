"""`--calibrate RUN`: a predicted size refined by what a packed run of the user's came to. Needs no torch."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ...compiler.passes.size import calibrate_plan
from ...compiler.plan import Plan
from ...compiler.size.calibrated import MEASUREMENT_FILE, MeasurementError, read_measurement
from ...compiler.size.estimate import size_estimate
from ...compiler.source.wording import few
from .console import complain
from .errors import PROBLEMS, UserError


def add_calibrate(parser: argparse.ArgumentParser) -> None:
    """The option."""
    about = "refine the predicted size by what this packed run of the same quantization came to"
    parser.add_argument("--calibrate", metavar="RUN", type=Path, help=about)


def calibrated_plan(plan: Plan, run: Path) -> Plan:
    """The plan with its size refined; says on stderr which stores the run tells nothing of.

    Raises:
        UserError: no packed run, or one of other stores or schemes.
    """
    path = run / MEASUREMENT_FILE
    try:
        estimate, unrefined = calibrate_plan(plan, read_measurement(path.read_text(encoding="utf-8"), str(path)))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); `loopspec pack {run}` writes it", PROBLEMS) from error
    except MeasurementError as error:
        raise UserError(f"{run}: {error}", PROBLEMS) from error
    if unrefined:
        complain(f"{run} tells nothing of {few(list(unrefined))}: predicted without it")
    return replace(plan, size=size_estimate(estimate, plan.spec.budget))
