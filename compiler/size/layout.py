"""How many numbers of each kind a store's scheme makes of it; bytes of what is not codes.

FORMAT.md, "Parts of a store"; `runtime/quantize/storage.py` is the same for the writer.
"""

from __future__ import annotations

from math import ceil, prod

from ..spec.quantization import Scheme


def row_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """(rows, cols): the first size times the product of the others; a scalar or vector is one row."""
    return (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))


def unit_elements(shape: tuple[int, ...], scheme: Scheme) -> int:
    """Weights that share a step."""
    rows, cols = row_shape(shape)
    if scheme.step.per == "store":
        return rows * cols
    return min(cols, scheme.step.group or cols) if scheme.step.per == "group" else cols


def steps(shape: tuple[int, ...], scheme: Scheme) -> int:
    """Steps of an integer, ternary or binary store."""
    rows, cols = row_shape(shape)
    return 1 if scheme.step.per == "store" else rows * ceil(cols / unit_elements(shape, scheme))


def error_codes(shape: tuple[int, ...], scheme: Scheme) -> int:
    """Codes of the low-rank error term."""
    return scheme.error_rank * sum(row_shape(shape))


def error_steps(shape: tuple[int, ...], scheme: Scheme) -> int:
    """Steps of the low-rank error term: one a row of either factor."""
    return row_shape(shape)[0] + scheme.error_rank if scheme.error_rank else 0


def exponents(shape: tuple[int, ...]) -> int:
    """Exponents of the rows and columns of a rate-distortion store."""
    return sum(row_shape(shape))
