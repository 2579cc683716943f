"""`--calibrate RUN`: a predicted size refined by what the codes of a packed run came to. Needs no torch."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ...compiler.passes.size import calibrate_plan
from ...compiler.plan import Plan
from ...compiler.size.calibrated import MEASUREMENT_FILE, MeasurementError, read_measurement
from ...compiler.size.estimate import size_estimate
from ...compiler.source.wording import few
from .console import complain, note
from .errors import PROBLEMS, UserError


def add_calibrate(parser: argparse.ArgumentParser) -> None:
    """The option."""
    about = "refine the predicted size by what the same quantization came to: in this packed run, or this artifact"
    parser.add_argument("--calibrate", metavar="RUN", type=Path, help=about)


def calibrated_plan(plan: Plan, run: Path) -> Plan:
    """The plan with its size refined; says on stderr which stores the run tells nothing of, or that it changes nothing.

    Args:
        run: a folder, or an artifact with its measurement beside it.

    Raises:
        UserError: no packed run, or one of other stores or schemes.
    """
    path = run.with_name(f"{run.name}.{MEASUREMENT_FILE}") if run.is_file() else run / MEASUREMENT_FILE
    try:
        estimate, unrefined = calibrate_plan(plan, read_measurement(path.read_text(encoding="utf-8"), str(path)))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); {_how_to_write(run)}", PROBLEMS) from error
    except MeasurementError as error:
        raise UserError(f"{run}: {error}", PROBLEMS) from error
    coded = [store.scheme.kind for store in plan.exported_stores if store.scheme.coded]
    fitted = coded.count("rate_distortion")
    if fitted == len(coded):
        sizes = "the budget sets the bytes of its quantized stores" if fitted else "it has no quantized stores"
        note(f"{run} changes nothing of the prediction for {plan.spec.name}: {sizes}")
    if unrefined:
        complain(f"{run} tells nothing of {few(list(unrefined))}: predicted without it")
    return replace(plan, size=size_estimate(estimate, plan.spec.budget))


def _how_to_write(run: Path) -> str:
    if run.is_file():
        return "`loopspec pack RUN -o FILE` writes it beside FILE where a store has a fixed grid"
    return f"`loopspec pack {run}` writes it"
