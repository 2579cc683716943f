"""What shares one step: a store, its rows, or groups of the columns of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Step
from .arrays import Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What a scheme holds apart for each row.

    Attributes:
        levels: float32 (rows,), of the grid on each side of zero.
        factors: float32 (rows,), of the grid's end under `sensitivity_std`; ones elsewhere.
    """

    levels: Float32Array
    factors: Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Units of one width. Whole groups and the shorter last ones of all rows are two of these.

    Attributes:
        values: float32 (units, width), those of a row beside each other.
        levels, factors: as of `Rows`, (units,).
        a_row: units of a row; 0 where the store is one unit.
    """

    values: Float32Array
    levels: Float32Array
    factors: Float32Array
    a_row: int

    def place(self, store: str, unit: int) -> str:
        """Names a unit in an error."""
        return f"store {store}, row {unit // self.a_row}" if self.a_row else f"store {store}"


def uniform_rows(rows: int, levels: int) -> Rows:
    """All rows alike."""
    return Rows(np.full(rows, levels, np.float32), np.ones(rows, np.float32))


def column_blocks(cols: int, step: Step) -> list[slice]:
    """Columns whose units are of one width: all of them, or whole groups and then the rest."""
    if step.per != "group":
        return [slice(0, cols)]
    assert step.group is not None
    whole = cols // step.group * step.group
    return [block for block in (slice(0, whole), slice(whole, cols)) if block.stop > block.start]


def split_units(matrix: Float32Array, rows: Rows, step: Step) -> list[Units]:
    """`matrix` (rows, cols) in units; where the store is one, all rows are alike."""
    if step.per == "store":
        return [Units(matrix.reshape(1, -1), rows.levels[:1], rows.factors[:1], 0)]
    blocks = []
    for block in column_blocks(matrix.shape[1], step):
        span = block.stop - block.start
        values = matrix[:, block].reshape(-1, min(step.group or span, span))
        repeats = len(values) // len(matrix)
        blocks.append(Units(values, np.repeat(rows.levels, repeats), np.repeat(rows.factors, repeats), repeats))
    return blocks


def join_units(blocks: Sequence[npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
    """(rows, columns or groups) of arrays (units,) or (units, width), the blocks beside each other."""
    return np.concatenate([block.reshape(rows, -1) for block in blocks], axis=1)
