"""Variance classes of the entries of matrices: what places each code in the table that it is coded with.

Every row and column of a matrix has an exponent, the logarithm of its magnitude in small steps. The class of an entry
is its matrix's base plus its row's and its column's exponent. This file says how that is written down; both directions
run the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .adaptive_bits import LARGEST, WIDTH, AdaptiveBits, integer, natural, refuse
from .tables import HIGHEST, LARGEST_CODE, NEVER, predict

MAX_CLASSES = 256
MIN_LENGTH = 16
"""Rows, and columns, of fewer entries have no exponents: they could not earn their keep."""

FARTHEST = 120
"""Largest magnitude of an exponent."""

MOST_EXPONENTS = 2**22
"""Largest sum of the magnitudes of all exponents. A model of 28 M weights has a third of a million. Long runs of one
decision take no bytes, so this bounds the time of a reader."""

MAX_SETS = 8

Shape = tuple[int, int]
Levels = list[int]

_NEIGHBOURS = 3
"""Exponents beyond -3..3 are as 3 to those that they are context of."""

_EXPONENT, _BASE, _FLAGS, _SETS, _GROUP, _TOP, _NEVER, _LEVEL = 0, 28, 29, 30, 31, 32, 33, 34
"""First context of each kind of number: 28 of exponents, four of levels."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the entries of one matrix belong.

    Attributes:
        group: number of the set of classes.
        base: class within the set, when exponents are zero.
        rows: exponents; an empty sequence where the axis has none, that is, zeros.
        columns: the same.
    """

    group: int
    base: int
    rows: Sequence[int]
    columns: Sequence[int]


@dataclass(frozen=True, slots=True)
class ClassModel:
    """All that a decoder must know before the codes.

    Attributes:
        placements: of each matrix; None for one that holds only zeros, or nothing, and takes no codes.
        sets: how many classes each set has. Matrices of one set share tables.
        tables: levels of each class (see tables.py), one set after the other; none where no entry has that class, or
            only zeros have.
    """

    placements: Sequence[Placement | None]
    sets: Sequence[int]
    tables: Sequence[Levels]


_NOTHING = Placement(0, 0, (), ())


def exponent_sums(placement: Placement, shape: Shape, classes: int) -> npt.NDArray[np.uint8]:
    """(rows, cols): the class within its set of each entry, held in 0..`classes` - 1."""
    rows = np.asarray(placement.rows or (0,), np.int16)[:, None] + np.int16(placement.base)
    columns = np.asarray(placement.columns or (0,), np.int16)
    return np.broadcast_to(np.clip(rows + columns, 0, classes - 1).astype(np.uint8), shape)


def classes_of(model: ClassModel, shapes: Sequence[Shape]) -> npt.NDArray[np.uint8]:
    """The classes of all entries, row by row, one matrix after the other; of none for a matrix of zeros."""
    pairs = [(placement, shape) for placement, shape in zip(model.placements, shapes, strict=True) if placement]
    flat = np.empty(sum(rows * columns for _, (rows, columns) in pairs), np.uint8)
    start = 0
    for placement, (rows, columns) in pairs:
        sums = exponent_sums(placement, (rows, columns), model.sets[placement.group])
        first = np.uint8(sum(model.sets[: placement.group]))
        np.add(sums, first, out=flat[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    return flat


def describe(bits: AdaptiveBits, shapes: Sequence[Shape], model: ClassModel | None) -> ClassModel:
    """Writes `model`, or reads it where that is None.

    Raises:
        EntropyError: what is read cannot be.
    """
    sets = _describe_sets(bits, model.sets if model else ())
    placements: list[Placement | None] = []
    base = 0
    alike: dict[int, Sequence[int]] = {}
    for index, shape in enumerate(shapes):
        given = model.placements[index] if model else None
        found = (
            _describe_placement(bits, shape, given, (base, len(sets), alike)) if sets and shape[0] * shape[1] else None
        )
        placements.append(found)
        base = found.base if found else base
    tables: list[Levels] = []
    for size in sets:
        tables += describe_tables(bits, model.tables[len(tables) : len(tables) + size] if model else [[]] * size)
    return ClassModel(placements, sets, tables)


def _describe_sets(bits: AdaptiveBits, given: Sequence[int]) -> list[int]:
    count = natural(bits, _SETS, len(given), MAX_SETS)
    sizes = [1 + natural(bits, _SETS, given[number] - 1 if given else 0, MAX_CLASSES - 1) for number in range(count)]
    if sum(sizes) > MAX_CLASSES:
        raise refuse(bits, f"a number of {sum(sizes)} classes")
    return sizes


def _describe_placement(
    bits: AdaptiveBits, shape: Shape, given: Placement | None, before: tuple[int, int, dict[int, Sequence[int]]]
) -> Placement | None:
    """`before` holds the base of the matrix before, how many sets there are, and the latest exponents by length."""
    base, sets, alike = before
    if not bits.bit(_FLAGS * WIDTH, int(given is not None)):
        return None
    given = given or _NOTHING
    group = natural(bits, _GROUP, given.group, sets - 1)
    base += integer(bits, _BASE, given.base - base)
    if abs(base) > LARGEST:
        raise refuse(bits, f"base exponent {base}")
    chosen = []
    for axis, exponents in enumerate((given.rows, given.columns)):
        length, other = shape[axis], shape[1 - axis]
        some = other >= MIN_LENGTH and bits.bit(_FLAGS * WIDTH + 1 + axis, int(len(exponents) > 0))
        kind = 2 * axis + (length > other)
        chosen.append(_describe_exponents(bits, kind, exponents or [0] * length, alike) if some else ())
    return Placement(group, base, chosen[0], chosen[1])


def _describe_exponents(
    bits: AdaptiveBits, kind: int, given: Sequence[int], alike: dict[int, Sequence[int]]
) -> Sequence[int]:
    """Each in the context of its counterpart in the latest axis of this length.

    Rows of one matrix are often the columns of the next: units of a hidden layer, channels of the residual stream.
    """
    middle = _EXPONENT + 7 * kind + _NEIGHBOURS
    counterparts = alike.get(len(given), [0] * len(given))
    contexts = [middle + max(-_NEIGHBOURS, min(_NEIGHBOURS, number)) for number in counterparts]
    found = []
    for context, number in zip(contexts, given, strict=True):
        exponent = integer(bits, context, number, FARTHEST)
        bits.exponents += abs(exponent)
        if bits.exponents > MOST_EXPONENTS:
            raise refuse(bits, f"a sum of {bits.exponents} of exponents")
        found.append(exponent)
    alike[len(given)] = found
    return found


def describe_tables(bits: AdaptiveBits, given: Sequence[Levels]) -> list[Levels]:
    """Writes or reads tables; each is predicted from the two before it. Readers give as many empty ones.

    Raises:
        EntropyError: what is read cannot be.
    """
    tables: list[Levels] = []
    for levels in given:
        tables.append(_describe_table(bits, levels, [table for table in tables[-2:] if table]))
    return tables


def _describe_table(bits: AdaptiveBits, given: Levels, earlier: list[Levels]) -> Levels:
    if not bits.bit(_FLAGS * WIDTH + 3, int(len(given) > 0)):
        return []
    before = len(earlier[-1]) if earlier else 0
    top = before + integer(bits, _TOP, len(given) - before)
    if not 1 <= top <= LARGEST_CODE:
        raise refuse(bits, f"largest magnitude {top}")
    levels: Levels = []
    for k in range(top):
        never = _NEVER * WIDTH + int(bool(k) and levels[-1] == NEVER)
        if bits.bit(never, int(bool(given) and given[k] == NEVER)):
            levels.append(NEVER)
            continue
        expected = predict(earlier, levels)
        known = bool(earlier) and k < before
        context = _LEVEL + (0 if not known else 1 if k == 0 else 2 if k < before // 2 else 3)
        level = expected + integer(bits, context, given[k] - expected if given else 0)
        if abs(level) > HIGHEST:
            raise refuse(bits, f"level {level}")
        levels.append(level)
    return levels
