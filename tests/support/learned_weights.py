"""Weights and calibration statistics as training leaves them, drawn at random: row scale x column scale x Gaussian."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loopspec.compiler.plan import Plan, PlannedStore
from loopspec.runtime.quantize.statistics import StoreStatistics
from loopspec.runtime.quantize.storage import row_shape

TOKENS = 32768
RANK = 192
"""Directions in which a Hessian has more than its diagonal; the k-th has a share of 1 / k."""

WIDE = 1.5
"""A matrix this much wider than high, which reads the hidden layer of an MLP, has columns of very different scale."""


def learned_weights(plan: Plan, seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """float32 of each exported store; matrices have a deviation of about 0.1."""
    generator = np.random.default_rng(seed)
    return {store.name: _weights(generator, store.shape) for store in plan.exported_stores}


def learned_statistics(plan: Plan, seed: int) -> dict[str, StoreStatistics]:
    """Of each exported store with a scheme that needs calibration."""
    generator = np.random.default_rng(seed)
    return {store.name: _statistics(generator, store) for store in plan.exported_stores if store.scheme.calibrated}


def _weights(generator: np.random.Generator, shape: Sequence[int]) -> npt.NDArray[np.float32]:
    if len(shape) < 2:
        return np.asarray(1 + 0.1 * generator.standard_normal(shape), np.float32)
    rows, cols = row_shape(tuple(shape))
    by_column = 0.43 if cols > WIDE * rows else 0.09
    matrix = generator.standard_normal((rows, cols), np.float32) * np.float32(0.1)
    matrix *= np.exp(0.2 * generator.standard_normal((rows, 1))) * np.exp(by_column * generator.standard_normal(cols))
    return matrix.reshape(shape).astype(np.float32)


def _statistics(generator: np.random.Generator, store: PlannedStore) -> StoreStatistics:
    """Few directions hold most of the inputs; a table's rows are looked up one by one, so that its Hessian is flat."""
    rows, cols = row_shape(store.shape)
    outputs = np.exp(generator.normal(0, 0.8, rows)) * 1e-7 * np.exp(generator.normal())
    hessian = np.diag(np.exp(generator.normal(0, 0.7, cols))).astype(np.float32)
    if "embedding" not in store.name and "table" not in store.name:
        rank = min(RANK, cols)
        directions = generator.standard_normal((cols, rank), np.float32)
        directions /= np.sqrt(1 + np.arange(rank, dtype=np.float32))
        hessian += directions @ directions.T
    return StoreStatistics(TOKENS, 1, hessian, (hessian * outputs.mean()).astype(np.float32), outputs)
