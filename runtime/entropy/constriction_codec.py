"""The codes of many matrices by the package constriction: asymmetric numeral systems with one table a matrix.

A cross-check and a baseline: no classes, so it takes what each matrix's own frequencies say. The models are built from
integer frequencies that sum to 2^14, in float64, where they and their sums are exact.

Layout, little-endian: length of the tables (uint32), the tables (adaptive bits), constriction's words (uint32).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .adaptive_bits import BitReader, BitWriter
from .classes import Levels, Shape, describe_tables
from .errors import EntropyError
from .optional_package import optional_package
from .table_fit import fit_tables
from .tables import LARGEST_CODE, table

Codes = npt.NDArray[np.int8]

_LENGTH_BYTES = 4


class _Coder(Protocol):
    """What is used here of constriction's AnsCoder."""

    def decode(self, model: object, amount: int) -> npt.NDArray[np.int32]: ...

    def is_empty(self) -> bool: ...


def encode_codes(matrices: Sequence[Codes]) -> bytes:
    """The (rows, cols) int8 `matrices` of codes -127..127 as one byte string.

    Raises:
        EntropyError: a code of -128, or constriction is not installed.
    """
    streams = _streams()
    tables = fit_tables(np.array([_counts(matrix) for matrix in matrices], np.int64).reshape(-1, LARGEST_CODE + 1))
    bits = BitWriter()
    describe_tables(bits, tables)
    description = bits.finish()
    return len(description).to_bytes(_LENGTH_BYTES, "little") + description + _words(streams, matrices, tables)


def decode_codes(data: bytes, shapes: Sequence[Shape], place: str) -> list[Codes]:
    """The matrices of these shapes from `encode_codes`'s bytes.

    Raises:
        EntropyError: `data` is not what `encode_codes` writes for such shapes; `place` says whose it is.
            What breaks off may decode to other codes instead. Or constriction is not installed.
    """
    streams = _streams()
    start = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    if not _LENGTH_BYTES <= start <= len(data) or (len(data) - start) % 4:
        raise EntropyError(f"{place}: {len(data)} bytes cannot be tables and whole words; pack the model again")
    tables = _read_tables(data[_LENGTH_BYTES:start], len(shapes), place)
    coder = _coder(streams, np.frombuffer(data, "<u4", offset=start).astype(np.uint32), place)
    matrices = [_decode_matrix(streams, coder, shape, levels) for shape, levels in zip(shapes, tables, strict=True)]
    if not coder.is_empty():
        raise EntropyError(f"{place}: the codes do not end where their data does; pack the model again")
    return matrices


def _streams() -> ModuleType:
    streams: ModuleType = optional_package("constriction", "the codec constriction").stream
    return streams


def _words(streams: ModuleType, matrices: Sequence[Codes], tables: Sequence[Levels]) -> bytes:
    coder = streams.stack.AnsCoder()
    for matrix, levels in reversed(list(zip(matrices, tables, strict=True))):
        if levels:
            coder.encode_reverse(matrix.ravel().astype(np.int32) + len(levels), _model(streams, levels))
    return bytes(coder.get_compressed().astype("<u4").tobytes())


def _counts(matrix: Codes) -> npt.NDArray[np.int64]:
    if matrix.size and int(matrix.min()) < -LARGEST_CODE:
        raise EntropyError("a code is -128; codes lie in -127..127")
    return np.bincount(np.abs(matrix).ravel(), minlength=LARGEST_CODE + 1)


def _model(streams: ModuleType, levels: Levels) -> object:
    top = len(levels)
    frequencies = table(levels)[LARGEST_CODE - top : LARGEST_CODE + top + 1]
    return streams.model.Categorical(frequencies.astype(np.float64), perfect=False)


def _read_tables(data: bytes, count: int, place: str) -> list[Levels]:
    bits = BitReader(data, place)
    tables = describe_tables(bits, [[]] * count)
    bits.finish()
    return tables


def _coder(streams: ModuleType, words: npt.NDArray[np.uint32], place: str) -> _Coder:
    try:
        coder: _Coder = streams.stack.AnsCoder(words)
    except ValueError as error:
        raise EntropyError(f"{place}: the words are not constriction's ({error}); pack the model again") from error
    return coder


def _decode_matrix(streams: ModuleType, coder: _Coder, shape: Shape, levels: Levels) -> Codes:
    rows, columns = shape
    if not levels or not rows * columns:
        return np.zeros(shape, np.int8)
    codes = coder.decode(_model(streams, levels), rows * columns) - len(levels)
    return np.asarray(codes.astype(np.int8).reshape(shape))
