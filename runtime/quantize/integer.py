"""The symmetric integer grid: from a matrix and a scheme to codes and steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...compiler.spec.quantization import Scheme, Step
from .arrays import Float32Array, Int8Array
from .limits import mean_magnitudes, unit_limits
from .percentile_search import search_steps
from .rounding import nearest, signs
from .steps import check_steps, exact_steps, rounding_steps
from .units import Rows, join_units, split_units, uniform_rows


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """A quantized matrix.

    Attributes:
        codes: int8 (rows, cols).
        exact: float32 steps (rows, groups) or (1, 1), not negative, before they are stored.
    """

    codes: Int8Array
    exact: Float32Array


def integer_codes(matrix: Float32Array, scheme: Scheme, rows: Rows, store: str) -> Codes:
    """Rounds `matrix` (rows, cols) to nearest on the grid of an `integer` scheme, in float32.

    A step is limit / levels, at least the floor; a unit of zeros has the floor itself, or 0. `percentile` clips
    weights at the limit before they are rounded, as the published int8 does; the other clips clamp codes to the levels
    alone, as the published int6 does. Under a floor these differ.

    Raises:
        QuantizeError: a step past the range of its dtype, or see `unit_limits`.
    """
    assert scheme.clip is not None
    blocks = split_units(matrix, rows, scheme.step)
    if scheme.clip.kind == "percentile_search":
        steps = search_steps(blocks, scheme.clip, scheme.step)
    else:
        limits = [unit_limits(units, scheme.clip, store) for units in blocks]
        steps = [exact_steps(limit, units, scheme.step) for limit, units in zip(limits, blocks, strict=True)]
    values = [units.values for units in blocks]
    if scheme.clip.kind == "percentile":
        values = [value.clip(-limit[:, None], limit[:, None]) for value, limit in zip(values, limits, strict=True)]
    codes = [
        nearest(value, rounding_steps(exact, scheme.step), units.levels)
        for value, exact, units in zip(values, steps, blocks, strict=True)
    ]
    for exact, units in zip(steps, blocks, strict=True):
        check_steps(exact, units, scheme.step, store)
    return _joined(codes, steps, matrix, scheme.step)


def mean_codes(matrix: Float32Array, scheme: Scheme, store: str) -> Codes:
    """Codes of steps that are the mean magnitude of the store, row or group, in float64 and then float32.

    Ternary ones are the nearest of -1, 0 and 1 (BitNet b1.58, arXiv 2402.17764); binary ones the sign (XNOR-Net, arXiv
    1603.05279).
    """
    blocks = split_units(matrix, uniform_rows(len(matrix), 1), scheme.step)
    steps = [exact_steps(mean_magnitudes(units.values), units, scheme.step) for units in blocks]
    if scheme.kind == "binary":
        codes = [signs(units.values) for units in blocks]
    else:
        codes = [
            nearest(units.values, rounding_steps(exact, scheme.step), units.levels)
            for exact, units in zip(steps, blocks, strict=True)
        ]
    for exact, units in zip(steps, blocks, strict=True):
        check_steps(exact, units, scheme.step, store)
    return _joined(codes, steps, matrix, scheme.step)


def _joined(codes: Sequence[Int8Array], steps: Sequence[Float32Array], matrix: Float32Array, step: Step) -> Codes:
    return Codes(join_units(codes, len(matrix)), join_units(steps, 1 if step.per == "store" else len(matrix)))
