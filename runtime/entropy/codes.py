"""Many matrices of int8 codes as one byte string: classes, their tables, then interleaved rANS.

Layout, little-endian: length of the class description (uint32), the description (classes.py, adaptive bits), the final
state of each lane (uint32), the words (uint16) up to the end. The shapes are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from . import rans
from .adaptive_bits import BitReader, BitWriter
from .classes import ClassModel, Placement, Shape, classes_of, describe
from .errors import EntropyError
from .fit import FittedMatrix, fit_matrix
from .sets import choose_sets, class_range
from .table_fit import bits_of, fit_tables
from .tables import LARGEST_CODE, table

Codes = npt.NDArray[np.int8]

_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class _Plan:
    """The model of all matrices, and their entries by class and magnitude."""

    model: ClassModel
    histogram: npt.NDArray[np.int64]


def encode_codes(matrices: Sequence[Codes]) -> bytes:
    """The (rows, cols) int8 `matrices` of codes -127..127 as one byte string, the same on every call.

    Raises:
        EntropyError: a code of -128.
    """
    plan = _plan([fit_codes(matrix) for matrix in matrices])
    shapes = [_shape(matrix) for matrix in matrices]
    description = _description(shapes, plan.model)
    parts = [matrix.ravel() for matrix, place in zip(matrices, plan.model.placements, strict=True) if place]
    flat = np.concatenate([np.empty(0, np.int8), *parts])
    tables = [table(levels) for levels in plan.model.tables]
    return (
        len(description).to_bytes(_LENGTH_BYTES, "little")
        + description
        + rans.encode(flat, classes_of(plan.model, shapes), tables)
    )


def fit_codes(matrix: Codes) -> FittedMatrix | None:
    """What `estimate_fitted` needs of one matrix; None for zeros.

    Raises:
        EntropyError: a code of -128.
    """
    if matrix.size and int(matrix.min()) < -LARGEST_CODE:
        raise EntropyError("a code is -128; codes lie in -127..127")
    return fit_matrix(matrix)


def estimate_bytes(matrices: Sequence[Codes]) -> int:
    """Length of `encode_codes(matrices)`, within 0.1 %, without coding."""
    return estimate_fitted([_shape(matrix) for matrix in matrices], [fit_codes(matrix) for matrix in matrices])


def estimate_fitted(shapes: Sequence[Shape], fitted: Sequence[FittedMatrix | None]) -> int:
    """`estimate_bytes` from what `fit_codes` made of each matrix, which may be kept while the matrix stays."""
    plan = _plan(fitted)
    count = sum(rows * cols for (rows, cols), one in zip(shapes, fitted, strict=True) if one)
    description = len(_description(shapes, plan.model))
    return _LENGTH_BYTES + description + rans.estimate(count, bits_of(plan.histogram, plan.model.tables))


def decode_codes(data: bytes, shapes: Sequence[Shape], place: str) -> list[Codes]:
    """The matrices of these shapes from `encode_codes`'s bytes.

    They are views of one array. Takes two bytes an entry and 128 kB a class.

    Raises:
        EntropyError: `data` is not what `encode_codes` writes for such shapes; `place` says whose it is.
    """
    model, start = read_model(data, shapes, place)
    tables = [table(levels) for levels in model.tables]
    flat = rans.decode(memoryview(data)[start:], classes_of(model, shapes), tables, place)
    return _split(flat, shapes, model)


def _shape(matrix: Codes) -> Shape:
    return (matrix.shape[0], matrix.shape[1])


def _plan(fitted: Sequence[FittedMatrix | None]) -> _Plan:
    """Class 0 of each set is the lowest that one of its matrices has."""
    present = [one for one in fitted if one]
    placed: list[Placement | None] = [None] * len(present)
    histograms = [np.zeros((0, LARGEST_CODE + 1), np.int64)]
    for number, group in enumerate(choose_sets(present)):
        low, high = class_range([present[index] for index in group])
        histograms.append(np.zeros((high - low, LARGEST_CODE + 1), np.int64))
        for index in group:
            one = present[index]
            histograms[-1][one.low - low : one.low - low + len(one.histogram)] += one.histogram
            placed[index] = replace(one.placement, group=number, base=one.placement.base - low)
    tables = [levels for histogram in histograms for levels in fit_tables(histogram)]
    sets = [len(histogram) for histogram in histograms[1:]]
    following = iter(placed)
    placements = [next(following) if one else None for one in fitted]
    return _Plan(ClassModel(placements, sets, tables), np.concatenate(histograms))


def _description(shapes: Sequence[Shape], model: ClassModel) -> bytes:
    bits = BitWriter()
    describe(bits, shapes, model)
    return bits.finish()


def read_model(data: bytes, shapes: Sequence[Shape], place: str) -> tuple[ClassModel, int]:
    """The class description of `encode_codes`'s bytes, and where the coder's states begin.

    Raises:
        EntropyError: it is damaged.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if not _LENGTH_BYTES <= start <= len(data):
        raise EntropyError(
            f"{place}: {len(data)} bytes cannot hold a class description of {length}; pack the model again"
        )
    bits = BitReader(data[_LENGTH_BYTES:start], place)
    model = describe(bits, shapes, None)
    bits.finish()
    return model, start


def _split(flat: Codes, shapes: Sequence[Shape], model: ClassModel) -> list[Codes]:
    matrices = []
    start = 0
    for found, (rows, cols) in zip(model.placements, shapes, strict=True):
        if found:
            matrices.append(flat[start : start + rows * cols].reshape(rows, cols))
            start += rows * cols
        else:
            matrices.append(np.zeros((rows, cols), np.int8))
    return matrices
