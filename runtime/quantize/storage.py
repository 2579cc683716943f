"""How a store's numbers lie in the artifact: all that a reader must know, and nothing of how they were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import Literal

from ...compiler.spec.quantization import Scheme

StorageKind = Literal["integer", "grid", "float16", "float32"]
CODES, STEPS, VALUES = "codes", "steps", "values"
BASE, ROWS, COLUMNS = "base", "rows", "columns"
LEFT, LEFT_STEPS, RIGHT, RIGHT_STEPS = "left", "left_steps", "right", "right_steps"
"""Names of parts; see FORMAT.md."""

GRID_LEVELS = 127
"""Codes of a `grid` lie in -127..127."""


@dataclass(frozen=True, slots=True)
class Storage:
    """The layout of one store.

    Attributes:
        kind: `integer`: int8 codes times a step shared by the store, a row, or `group` columns of a row. `grid`: int8
            codes times base * 2^((row + column) / 16) with an int8 exponent for each row and each column. Floats as
            they are.
        levels: codes of `integer` lie in -levels..levels; 1 for ternary and binary.
        error_rank: rank of a term left (rows, r) @ right (r, cols) that is added, 0 for none; both are int8 codes with
            a float16 step a row of `left` and of `right`.
    """

    kind: StorageKind
    levels: int = 0
    steps: Literal["store", "row", "group"] = "row"
    group: int = 0
    step_dtype: Literal["float16", "float32"] = "float16"
    error_rank: int = 0


def storage_of(scheme: Scheme) -> Storage:
    """The layout of what `scheme` writes."""
    if scheme.kind in ("float16", "float32"):
        return Storage("float16" if scheme.kind == "float16" else "float32")
    if scheme.kind == "rate_distortion":
        return Storage("grid", GRID_LEVELS)
    levels = scheme.levels if scheme.kind == "integer" else 1
    if scheme.row_bits is not None:
        levels = max(levels, 2 ** (scheme.row_bits.high - 1) - 1)
    step = scheme.step
    return Storage("integer", levels, step.per, step.group or 0, step.dtype, scheme.error_rank)


def row_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """(rows, cols) of a store: the first dimension times the rest; 0-D and 1-D stores are one row."""
    return (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))


def step_shape(shape: tuple[int, ...], storage: Storage) -> tuple[int, int]:
    """(rows, groups) of the steps of an `integer` store; (1, 1) where the store shares one."""
    rows, cols = row_shape(shape)
    if storage.steps == "store":
        return (1, 1)
    return (rows, ceil(cols / storage.group)) if storage.steps == "group" else (rows, 1)


def part_bytes(shape: tuple[int, ...], storage: Storage) -> dict[str, int]:
    """Length in bytes of every part of a store of this shape, in the order of the artifact."""
    rows, cols = row_shape(shape)
    if storage.kind in ("float16", "float32"):
        return {VALUES: prod(shape) * (2 if storage.kind == "float16" else 4)}
    if storage.kind == "grid":
        return {CODES: rows * cols, BASE: 4, ROWS: rows, COLUMNS: cols}
    width = 2 if storage.step_dtype == "float16" else 4
    parts = {CODES: rows * cols, STEPS: width * prod(step_shape(shape, storage))}
    if rank := storage.error_rank:
        parts |= {LEFT: rows * rank, LEFT_STEPS: 2 * rows, RIGHT: rank * cols, RIGHT_STEPS: 2 * rank}
    return parts
