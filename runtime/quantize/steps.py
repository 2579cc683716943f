"""Steps of integer grids: at least the floor, and rounded as they are stored."""

from __future__ import annotations

import numpy as np

from ...compiler.spec.quantization import Step
from .arrays import Float32Array
from .errors import QuantizeError
from .units import Units

SMALLEST = {"float16": np.float32(2.0**-24), "float32": np.float32(2.0**-126)}
"""By dtype: what a smaller step becomes where the unit is not zero, so that none is silently zeroed. The smallest
positive float16; the smallest normal float32, since some devices flush those below to zero."""


def exact_steps(limits: Float32Array, units: Units, step: Step) -> Float32Array:
    """limits / levels (units,), at least the floor, and above zero where the unit is not all zeros."""
    smallest = np.where(units.values.any(axis=1), SMALLEST["float32"], np.float32(0))
    least: Float32Array = np.maximum(np.maximum(limits / units.levels, np.float32(step.floor)), smallest)
    return least


def as_stored(exact: Float32Array, step: Step) -> Float32Array:
    """Steps rounded to the dtype they are stored in, as float32; past float16's range infinite."""
    if step.dtype == "float32":
        return exact
    with np.errstate(over="ignore"):
        halves = exact.astype(np.float16).astype(np.float32)
    stored: Float32Array = np.where(exact == 0, exact, np.maximum(halves, SMALLEST["float16"]))
    return stored


def rounding_steps(exact: Float32Array, step: Step) -> Float32Array:
    """The steps that weights are divided by: as stored, or before."""
    return exact if step.rounds_with == "exact" else as_stored(exact, step)


def check_steps(exact: Float32Array, units: Units, step: Step, store: str) -> None:
    """Raises QuantizeError where a step (units,) is past the range of the dtype it is stored in."""
    finite = np.isfinite(as_stored(exact, step))
    if not finite.all():
        unit = int(np.argmin(finite))
        most = "float16's 65,504; use more bits or float32 steps" if step.dtype == "float16" else "float32's range"
        raise QuantizeError(f"{units.place(store, unit)}: its step {exact[unit]:.4g} is past {most}")
