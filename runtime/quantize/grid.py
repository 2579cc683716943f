"""The rate-distortion grid: a step for every column and row of a store, all from one number for the whole model.

To leave an error e_ij in weight j of row i, once GPTQ has made up for what it can, costs (e_ij / U_jj)^2 with U the
Cholesky factor of the inverse Hessian in GPTQ's order. Uniform rounding has e^2 = step^2 / 12 and the rate falls by one
bit where a step doubles, so at any rate the loss is least where every weight costs the same: step_ij = lambda * U_jj.
The Hessian is that of the loss, so it holds the output's gradient, and lambda is the same for all stores.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Gptq
from .arrays import Float32Array, Int8Array, as_finite_float32
from .errors import QuantizeError
from .factor import Factor, Float64Array, factorise
from .gptq import nearest_codes, round_by
from .grid_steps import grid_steps, powers
from .statistics import StoreStatistics
from .storage import BASE, CODES, COLUMNS, GRID_LEVELS, ROWS, Storage, row_shape
from .store import EncodedStore

PER_OCTAVE = 16
"""Exponents of rows and columns count sixteenths of a factor of two."""


@dataclass(frozen=True, slots=True)
class GridOptions:
    """How a grid is planned.

    Attributes:
        gptq: damping and order of the factor that both the steps and the rounding use.
        column_clip: largest factor of a column's step, up or down, to their geometric mean; 1: columns alike.
        row_clip: largest factor of a row's step, 1 / sqrt(mean g^2) to that of the mean row; 1: rows alike.
    """

    gptq: Gptq = field(default_factory=Gptq)
    column_clip: float = 4.0
    row_clip: float = 2.0


@dataclass(frozen=True, eq=False)
class Grid:
    """The steps of one store but for lambda: base * lambda * 2^((rows_i + columns_j) / 16).

    Attributes:
        name: the store's.
        base: step at lambda = 1, where row and column exponents are zero.
        rows, planned_columns: int8 exponents (rows,), (cols,).
        reach: (cols,) log2 of the column's least step, with row exponents aside, that holds its largest weight; minus
            infinity of a column of zeros, and of one that no input reaches, whose weights become zero.
        factor: for rounding by GPTQ.
    """

    name: str
    base: float
    rows: Int8Array
    planned_columns: Int8Array
    reach: Float64Array
    factor: Factor
    statistics: StoreStatistics

    @cached_property
    def finest(self) -> float:
        """The lambda where every column's steps are the least that hold its weights; a smaller one changes nothing."""
        reached = self.reach[np.isfinite(self.reach)]
        if not len(reached):
            return 0.0
        planned = self.planned_columns[np.isfinite(self.reach)] / PER_OCTAVE
        most = reached.max() - 127 / PER_OCTAVE  # else a column's exponent would need more than int8
        return float(np.exp2(max(most, (reached - planned).min()))) / self.base

    def stored_base(self, lam: float) -> np.float32:
        """The base that an artifact holds. Raises QuantizeError where no float32 step comes of it."""
        with np.errstate(over="ignore"):
            base = np.float32(self.base * max(lam, self.finest))
        if not np.finfo(np.float32).smallest_normal * 2.0**16 < base < np.finfo(np.float32).max / 2.0**16:
            raise QuantizeError(f"store {self.name}: lambda {lam:g} makes its step {base:g}, past float32's range")
        return base

    def columns(self, lam: float) -> Int8Array:
        """int8 (cols,): the planned exponents, but where the grid would end before the column's largest weight."""
        least = np.ceil(PER_OCTAVE * (self.reach - np.log2(float(self.stored_base(lam)))))
        columns: Int8Array = np.maximum(self.planned_columns, least).clip(-127, 127).astype(np.int8)
        return columns

    def steps(self, lam: float) -> Float32Array:
        """float32 (rows, cols), the very bits that a reader of the artifact makes."""
        return grid_steps(self.stored_base(lam), self.rows, self.columns(lam))


@dataclass(frozen=True, eq=False)
class GridCodes:
    """Codes of a store at one lambda.

    Attributes:
        codes: int8 (rows, cols), each in -127..127.
        clamped: how many would lie beyond.
        weights: float32 (rows, cols), of which these are the codes.
        steps: float32 (rows, cols).
        statistics: the store's.
    """

    codes: Int8Array
    clamped: int
    weights: Float32Array
    steps: Float32Array
    statistics: StoreStatistics

    @cached_property
    def loss(self) -> float:
        """Predicted rise of the loss, nats a token; see `predicted_loss`."""
        return predicted_loss(self.weights, self.codes * self.steps, self.statistics)

    @cached_property
    def nearest_loss(self) -> float:
        """The same of rounding to nearest; where it is less than `loss`, a report must say so."""
        codes = nearest_codes(self.weights, self.steps, GRID_LEVELS)
        return predicted_loss(self.weights, codes * self.steps, self.statistics)


def plan_grid(
    name: str, weights: npt.NDArray[Any], statistics: StoreStatistics, options: GridOptions | None = None
) -> Grid:
    """The grid of a store of two or more dimensions; the costly part, done once for all lambdas.

    Raises:
        QuantizeError: statistics of another shape or without gradients, or a Hessian of the loss that is zero or not
            positive definite.
    """
    chosen = GridOptions() if options is None else options
    rows, cols = row_shape(weights.shape)
    if statistics.weighted.shape != (cols, cols) or statistics.outputs.shape != (rows,):
        raise QuantizeError(
            f"store {name}: a rate-distortion grid of {rows} x {cols} weights needs their gradients, but calibration "
            f"measured {statistics.weighted.shape} and {statistics.outputs.shape}; calibrate with gradients"
        )
    factor = factorise(statistics.weighted, chosen.gptq, name)
    logs = np.log2(factor.column_scale)
    mean = logs[~factor.dead].mean()
    columns = _exponents(np.where(factor.dead, 0.0, logs - mean), chosen.column_clip)
    relative = _exponents(_row_logs(statistics.outputs), chosen.row_clip)
    live = np.where(factor.dead, np.float32(0), as_finite_float32(weights, name).reshape(rows, cols))
    return Grid(name, float(np.exp2(mean)), relative, columns, _reach(live, relative), factor, statistics)


def grid_codes(
    weights: npt.NDArray[Any], grid: Grid, lam: float, rounding: Literal["gptq", "nearest"] = "gptq"
) -> GridCodes:
    """Codes of `weights` at steps lambda times the grid's; raises QuantizeError for weights that are not finite."""
    matrix = as_finite_float32(weights, grid.name).reshape(len(grid.rows), len(grid.reach))
    steps = grid.steps(lam)
    if rounding == "gptq":
        codes, clamped = round_by(grid.factor, matrix, steps, GRID_LEVELS)
    else:
        codes = nearest_codes(matrix, steps, GRID_LEVELS)
        clamped = int(np.count_nonzero(np.abs(matrix) > (GRID_LEVELS + 0.5) * steps))
    return GridCodes(codes, clamped, matrix, steps, grid.statistics)


def encode_grid(
    name: str, array: npt.NDArray[Any], grid: Grid, lam: float, rounding: Literal["gptq", "nearest"] = "gptq"
) -> EncodedStore:
    """The store as the artifact holds it at this lambda."""
    return encode_grid_codes(name, array.shape, grid, lam, grid_codes(array, grid, lam, rounding).codes)


def encode_grid_codes(name: str, shape: tuple[int, ...], grid: Grid, lam: float, codes: Int8Array) -> EncodedStore:
    """The store as the artifact holds it, of codes that `grid_codes` has made at this lambda."""
    parts = {
        CODES: codes.tobytes(),
        BASE: grid.stored_base(lam).astype("<f4").tobytes(),
        ROWS: grid.rows.tobytes(),
        COLUMNS: grid.columns(lam).tobytes(),
    }
    return EncodedStore(name, tuple(shape), Storage("grid", GRID_LEVELS), parts)


def predicted_loss(weights: npt.NDArray[Any], decoded: npt.NDArray[Any], statistics: StoreStatistics) -> float:
    """Rise of the loss, nats a token, by e = decoded - weights: half of sum_i s_i e_i^T weighted e_i.

    s_i is row i's share of the mean g^2, 1 for the mean row: inputs and gradients are taken as independent by row. So
    are errors at a store's several sites, whose sum may cost more. A product of the store's size with `weighted`.
    """
    if not statistics.outputs.size:
        raise QuantizeError("the rise of the loss needs gradients, and calibration measured none")
    error = (decoded.astype(np.float32) - weights.astype(np.float32)).reshape(row_shape(weights.shape))
    mean = statistics.outputs.mean()
    if mean == 0:  # no gradient reaches the store
        return 0.0
    rows = np.einsum("ij,ij->i", error @ statistics.weighted, error, dtype=np.float64)
    return float(rows @ statistics.outputs / mean) / 2


def _row_logs(outputs: Float64Array) -> Float64Array:
    """(rows,) log2 of 1 / sqrt(mean g^2), to that of the mean row; infinite where no gradient comes, for the clip."""
    with np.errstate(divide="ignore"):
        logs: Float64Array = -0.5 * (np.log2(outputs) - np.log2(outputs.mean()))
    return logs


def _reach(matrix: Float32Array, rows: Int8Array) -> Float64Array:
    """(cols,): see `Grid.reach`."""
    largest = (np.abs(matrix) / powers(rows)[:, None]).max(axis=0).astype(np.float64)
    with np.errstate(divide="ignore"):
        reach: Float64Array = np.log2(largest / GRID_LEVELS)
    return reach


def _exponents(logs: Float64Array, clip: float) -> Int8Array:
    """int8 exponents of `logs` (n,), between 1 / clip and clip."""
    limit = np.floor(PER_OCTAVE * np.log2(clip))
    exponents: Int8Array = np.rint(PER_OCTAVE * logs).clip(-limit, limit).astype(np.int8)
    return exponents
