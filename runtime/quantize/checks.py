"""Refuses schemes that no store can have, and what a scheme needs of calibration."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from ...compiler.spec.quantization import Clip, Scheme
from .errors import QuantizeError
from .statistics import StoreStatistics
from .storage import row_shape

MIN_BITS, MAX_BITS = 2, 8


def check_scheme(name: str, shape: tuple[int, ...], scheme: Scheme, statistics: StoreStatistics | None) -> None:
    """Raises QuantizeError for the first fault of `scheme` itself, of its use for this shape, or of what it lacks."""
    for fault in _faults(shape, scheme):
        raise QuantizeError(f"store {name}: {fault}")
    if statistics is None:
        if scheme.calibrated:
            raise QuantizeError(
                f"store {name}: {scheme} needs calibration, and there is none; calibrate the model first"
            )
        return
    rows, cols = row_shape(shape)
    if statistics.inputs.shape != (cols, cols) or len(statistics.outputs) not in (0, rows):
        raise QuantizeError(
            f"store {name}: its calibration is of ({len(statistics.outputs)}, {len(statistics.inputs)}), the store is "
            f"({rows}, {cols}); calibrate this model"
        )


def _faults(shape: tuple[int, ...], scheme: Scheme) -> Iterator[str]:
    step = scheme.step
    if scheme.kind == "integer":
        yield from _integer_faults(scheme)
    if step.per == "group" and (step.group is None or step.group < 1):
        yield f"steps by group need how many columns share one, group is {step.group}"
    if not 0 <= step.floor < inf:
        yield f"the floor of steps is {step.floor}; it must be a number from 0 on"
    if not 0 <= scheme.prune < 1:
        yield f"prune is {scheme.prune}; it is a share of the weights, from 0 to below 1"
    if scheme.prune and scheme.kind == "binary":
        yield "binary weights have no zero, so none can be pruned; use ternary"
    if not 0 <= scheme.error_rank <= (most := min(row_shape(shape))):
        yield f"error_rank is {scheme.error_rank}; a store of {row_shape(shape)} has ranks up to {most}"


def _integer_faults(scheme: Scheme) -> Iterator[str]:
    if scheme.bits is None or scheme.clip is None:
        yield "an integer scheme needs bits and a clip"
        return
    mixed = scheme.row_bits
    for bits in (scheme.bits, *((mixed.low, mixed.high) if mixed is not None else ())):
        if not MIN_BITS <= bits <= MAX_BITS:
            yield f"{bits} bits; the integer scheme takes {MIN_BITS} to {MAX_BITS}"
    if mixed is not None and not 0 < mixed.share <= 0.5:
        yield f"row_bits takes a share of the rows above 0 and up to 0.5, not {mixed.share}"
    if mixed is not None and not mixed.low <= scheme.bits <= mixed.high:
        yield f"row_bits of {mixed.low} and {mixed.high} are not below and above the {scheme.bits} of the other rows"
    if mixed is not None and scheme.step.per == "store":
        yield "row_bits needs steps by row or group; one step of the store has one grid"
    if scheme.clip.kind == "sensitivity_std" and scheme.step.per == "store":
        yield "a sensitivity_std clip needs steps by row or group; one step of the store has one grid"
    yield from _clip_faults(scheme.clip)


def _clip_faults(clip: Clip) -> Iterator[str]:
    if clip.kind in ("std", "sensitivity_std") and (clip.k is None or not 0 < clip.k < inf):
        yield f"a {clip.kind} clip needs a positive number of deviations, k is {clip.k}"
    if clip.kind == "sensitivity_std" and (clip.strength is None or not 0 <= clip.strength < inf):
        yield f"a sensitivity_std clip needs a strength from 0 on, not {clip.strength}"
    shares = (clip.percentile,) if clip.kind == "percentile" else clip.percentiles
    if clip.kind in ("percentile", "percentile_search") and not (shares and all(s and 0 < s <= 1 for s in shares)):
        yield f"a {clip.kind} clip needs shares above 0 and up to 1, not {', '.join(map(str, shares)) or 'none'}"
