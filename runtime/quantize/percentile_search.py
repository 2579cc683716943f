"""The percentile at which clipping costs least ("GPTQ-lite" of parameter-golf)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Clip, Step
from .arrays import Float32Array
from .quantile import row_quantiles
from .rounding import nearest
from .steps import exact_steps, rounding_steps
from .units import Units

SAME = 1 - 1e-9
"""Squared errors nearer than this are the same, in whatever order they were summed; the first percentile then wins."""


def search_steps(blocks: Sequence[Units], clip: Clip, step: Step) -> list[Float32Array]:
    """Exact steps (units,) of each block, from the percentile of least squared error for a unit or the whole store."""
    candidates = [
        np.stack([exact_steps(limits, units, step) for limits in row_quantiles(np.abs(units.values), clip.percentiles)])
        for units in blocks
    ]  # (percentiles, units) each, as are the errors
    errors = [
        np.stack([squared_errors(units, steps, step) for steps in tried])
        for units, tried in zip(blocks, candidates, strict=True)
    ]
    if clip.choose == "store":
        total = np.sum([block.sum(axis=1) for block in errors], axis=0)
        errors = [np.broadcast_to(total[:, None], block.shape) for block in errors]
    return [
        np.take_along_axis(tried, first_least(block)[None], axis=0)[0]
        for tried, block in zip(candidates, errors, strict=True)
    ]


def squared_errors(units: Units, exact: Float32Array, step: Step) -> npt.NDArray[np.float64]:
    """Sums (units,) of the squared errors of rounding to nearest, decoded with the steps that rounding uses."""
    used = rounding_steps(exact, step)
    with np.errstate(invalid="ignore"):  # an infinite step is refused when it is stored
        errors = units.values - nearest(units.values, used, units.levels) * used[:, None]
    sums: npt.NDArray[np.float64] = np.square(errors, dtype=np.float64).sum(axis=1)
    return sums


def first_least(errors: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """(units,): which of errors (tries, units) is least; of equal ones the first."""
    best, chosen = errors[0], np.zeros(errors.shape[1], np.int64)
    for index, tried in enumerate(errors[1:], 1):
        better = tried < best * SAME
        best, chosen = np.where(better, tried, best), np.where(better, index, chosen)
    return chosen
