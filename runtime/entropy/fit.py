"""The encoder's choice of exponents for one matrix: alternating means of magnitudes, rounded by what they save.

All sums are of integers that float64 holds exactly, so that they are the same in whatever order they are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

from .classes import FARTHEST, MAX_CLASSES, MIN_LENGTH, Placement, exponent_sums
from .tables import LARGEST_CODE

STEP = 1 / 8
"""Logarithm of what one exponent is worth. The format does not know it."""

LOWEST_MEAN = 0.002
"""Classes do not distinguish mean magnitudes below this."""

_ROUNDS = 4
_UNIT = 2.0**15
_WIDTH = LARGEST_CODE + 1

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FittedMatrix:
    """Exponents of a matrix and what they make of it.

    Attributes:
        placement: its set is not chosen yet, and its base is absolute: 0 stands for a mean magnitude of `LOWEST_MEAN`.
        histogram: (classes, 128) entries by class, the first being `low`, and magnitude.
    """

    placement: Placement
    low: int
    histogram: Integers


def fit_matrix(codes: npt.NDArray[np.int8]) -> FittedMatrix | None:
    """Places the entries of (rows, cols) `codes`; None where all are zero, or there are none."""
    if not codes.any():
        return None
    magnitudes = np.abs(codes)
    placement = _placement(magnitudes)
    classes = exponent_sums(placement, (codes.shape[0], codes.shape[1]), MAX_CLASSES)
    low, high = int(classes.min()), int(classes.max())
    flat = (classes - np.uint8(low)).astype(np.intp) * _WIDTH
    flat += magnitudes
    counts = np.bincount(flat.ravel(), minlength=(high - low + 1) * _WIDTH)
    return FittedMatrix(placement, low, counts.reshape(-1, _WIDTH))


def _placement(magnitudes: npt.NDArray[np.int8]) -> Placement:
    """Real-valued logarithms in turns first; then rounded rows, columns against those, and rows again."""
    values = magnitudes.astype(np.float64)
    mean = float(values.mean())
    base = max(round(log(mean / LOWEST_MEAN) / STEP), 0)
    reference = base * STEP + log(LOWEST_MEAN)
    weights = _precision(mean) * STEP**2 / (2 * log(2)) * np.array(values.shape[::-1])
    logs = [np.zeros(length) for length in values.shape]
    chosen: list[list[int]] = [[], []]
    for rounding, axis in ((False, 0), (False, 1), (True, 0), (True, 1), (True, 0)):
        if values.shape[1 - axis] >= MIN_LENGTH:
            logs[axis] = _magnitudes(values if axis == 0 else values.T, logs[1 - axis]) - reference
            if rounding:
                chosen[axis] = round_exponents(logs[axis] / STEP, float(weights[axis]))
                logs[axis] = np.array(chosen[axis] or [0] * values.shape[axis]) * STEP
    return Placement(0, base, *chosen)


def _magnitudes(values: Floats, others: Floats) -> Floats:
    """Logarithm of each row's mean magnitude when the columns' logarithms `others` are taken out."""
    weights = np.clip(np.rint(np.exp(-others) * _UNIT), 1, _UNIT**2)
    return np.asarray(np.log((values @ weights + _UNIT / 4) / (_UNIT * values.shape[1])))


def _precision(mean: float) -> float:
    """Fisher information of one code about the logarithm of its mean magnitude: of rounded Gaussians, roughly."""
    return mean / (0.57 * mean + 1 / (1 + 4 * mean))


def round_exponents(targets: Floats, weight: float) -> list[int]:
    """Integers near `targets` that take the fewest bits, or none at all if zeros take fewer.

    A distance d costs `weight` d^2 bits in the codes; a number costs what its frequency among those chosen says.
    """
    nearest = np.clip(np.rint(targets), -FARTHEST, FARTHEST)
    candidates = np.arange(min(nearest.min(), 0), max(nearest.max(), 0) + 1)
    loss = weight * (targets[:, None] - candidates) ** 2
    price = 1 + 2 * np.log2(1 + np.abs(candidates))
    for _ in range(_ROUNDS):
        best = np.argmin(loss + price, axis=1)
        counts = np.bincount(best, minlength=len(candidates)) + 0.1
        price = -np.log2(counts / counts.sum())
    spent = loss[np.arange(len(best)), best].sum() + price[best].sum() + len(candidates)
    if spent >= loss[:, candidates == 0].sum():
        return []
    return [int(number) for number in candidates[best]]
