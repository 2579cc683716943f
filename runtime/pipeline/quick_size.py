"""About what the codes of a model take, from a part of each matrix: good to a percent or two, and quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..entropy.codes import fit_codes
from ..quantize.gptq import nearest_codes
from ..quantize.grid import Grid
from ..quantize.grid_steps import grid_steps
from ..quantize.storage import GRID_LEVELS, row_shape

LINES = 256
"""At most so many rows and columns of each matrix are looked at."""

LINE_BITS, CLASS_BITS = 2.2, 12.0
"""What the exponent of a row or column takes, and the table of a class: roughly."""

GOLDEN = (5**0.5 - 1) / 2

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A part of a store: chosen rows and columns, their weights, and how often it goes into the store."""

    grid: Grid
    rows: Indices
    columns: Indices
    weights: npt.NDArray[np.float32]
    share: float
    lines: int


def sample(weights: npt.NDArray[np.float32], grid: Grid) -> Sample:
    """Rows and columns spread evenly, but at no fixed distance, with which heads and channels could fall in step."""
    shape = row_shape(weights.shape)
    rows, columns = _spread(shape[0]), _spread(shape[1])
    part = np.ascontiguousarray(weights.reshape(shape)[np.ix_(rows, columns)])
    return Sample(grid, rows, columns, part, weights.size / part.size, sum(shape))


def quick_bytes(samples: Mapping[str, Sample], lam: float) -> float:
    """About the bytes of all stores' codes at this lambda, rounded to nearest, under rans."""
    return sum(_bits(one, lam) for one in samples.values()) / 8


def _spread(length: int) -> Indices:
    if length <= LINES:
        return np.arange(length)
    return np.unique((np.arange(LINES) * GOLDEN % 1 * length).astype(np.intp))


def _bits(one: Sample, lam: float) -> float:
    """The entropy of the codes given their classes, and signs; and the classes."""
    base, columns = one.grid.stored_base(lam), one.grid.columns(lam)
    steps = grid_steps(base, one.grid.rows[one.rows], columns[one.columns])
    fitted = fit_codes(nearest_codes(one.weights, steps, GRID_LEVELS))
    if fitted is None:
        return 0.0
    counts = fitted.histogram.astype(np.float64)
    totals = counts.sum(axis=1)
    chances = counts / np.maximum(totals, 1)[:, None]
    entropy = -float((counts * np.log2(np.where(counts > 0, chances, 1))).sum())
    signs = float(totals.sum() - counts[:, 0].sum())
    lines = LINE_BITS * one.lines if fitted.placement.rows or fitted.placement.columns else 0.0
    return one.share * (entropy + signs) + lines + CLASS_BITS * np.count_nonzero(totals)
