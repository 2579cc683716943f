"""Where the grid of each unit ends, by the kind of clip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...compiler.spec.quantization import Clip
from .arrays import Float32Array
from .errors import QuantizeError
from .quantile import row_quantiles
from .units import Units


def unit_limits(units: Units, clip: Clip, store: str) -> Float32Array:
    """float32 (units,), for every kind of clip but `percentile_search`.

    Raises:
        QuantizeError: a unit that is not zero would become so: its mean lies outside a grid of `std`, or so much of it
            is zeros that its percentile is.
    """
    return LIMITS[clip.kind](units, clip, store)


def mean_magnitudes(values: Float32Array) -> Float32Array:
    """float32 (units,) of (units, width): the step of ternary and binary weights."""
    means: Float32Array = np.abs(values).mean(axis=1, dtype=np.float64).astype(np.float32)
    return means


def _absmax(units: Units, clip: Clip, store: str) -> Float32Array:
    largest: Float32Array = np.abs(units.values).max(axis=1)
    return largest


def _std(units: Units, clip: Clip, store: str) -> Float32Array:
    """k population deviations about the unit's mean, in float64, times the unit's factor."""
    assert clip.k is not None
    limits = clip.k * units.values.std(axis=1, dtype=np.float64) * units.factors
    means = units.values.mean(axis=1, dtype=np.float64)
    outside = np.abs(means) > limits
    if outside.any():
        unit = int(outside.argmax())
        raise QuantizeError(
            f"{units.place(store, unit)}: its mean {means[unit]:.4g} lies outside the grid, which ends at "
            f"{limits[unit]:.4g}, of {clip.k:g} standard deviations; give this store an absmax clip or float16"
        )
    with np.errstate(over="ignore"):  # an infinite step is refused when it is stored
        rounded: Float32Array = limits.astype(np.float32)
    return rounded


def _percentile(units: Units, clip: Clip, store: str) -> Float32Array:
    assert clip.percentile is not None
    limits: Float32Array = row_quantiles(np.abs(units.values), [clip.percentile])[0]
    lost = (limits == 0) & units.values.any(axis=1)
    if lost.any():
        place = units.place(store, int(lost.argmax()))
        raise QuantizeError(
            f"{place}: the percentile {clip.percentile:g} of its magnitudes is zero, which would make all of it zero; "
            "give this store an absmax clip"
        )
    return limits


LIMITS: dict[str, Callable[[Units, Clip, str], Float32Array]] = {
    "absmax": _absmax,
    "std": _std,
    "sensitivity_std": _std,
    "percentile": _percentile,
}
