"""Frequency tables of classes: what a decoder needs, from a few small integers, in exact arithmetic.

A class's table is symmetric: codes k and -k are equally likely. It is described by its largest magnitude `top` and, for
each magnitude k below, by the odds that a code of at least that magnitude has just that: 2^(level / 16), or `NEVER`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

PRECISION = 14
"""Bits of a frequency: each table sums to 2^14."""

LARGEST_CODE = 127
SYMBOLS = 2 * LARGEST_CODE + 1
"""Columns of a table: codes -127..127 in order."""

HIGHEST = 224
"""Levels lie in -224..224: odds of 1/16384 to 16384."""

NEVER = HIGHEST + 1
"""Level of a magnitude that does not occur."""

# fmt: off
ODDS = (
    65536, 68438, 71468, 74632, 77936, 81386, 84990, 88752,
    92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515,
)
# fmt: on
"""2^(i / 16) in 1/65536."""

_ONE = 1 << 30
_MASS = 1 << 30

Table = npt.NDArray[np.int64]
"""(`SYMBOLS`,) frequencies."""


def share(level: int) -> tuple[int, int]:
    """The odds of a level as a fraction: numerator, denominator of its chance."""
    odds = ODDS[level & 15] << (14 + (level >> 4))
    return odds, odds + _ONE


def frequencies(levels: Sequence[int]) -> list[int]:
    """Frequency of each magnitude 0..len(levels), that of a nonzero one for either sign; they sum to 2^14.

    A magnitude that may occur has at least 1.
    """
    left, masses = _MASS, []
    for level in levels:
        numerator, denominator = share(level)
        mass = 0 if level == NEVER else left * numerator // denominator
        masses.append(mass)
        left -= mass
    masses.append(left)
    shift = 31 - PRECISION
    pairs = [(mass + (1 << shift - 1)) >> shift for mass in masses[1:]]
    able = [level != NEVER for level in levels[1:]] + [True]
    pairs = [max(pair, 1) if may else 0 for pair, may in zip(pairs, able, strict=True)] if levels else []
    return _balanced(pairs, zero=not levels or levels[0] != NEVER)


def _balanced(pairs: list[int], zero: bool) -> list[int]:
    """`pairs` with what 0 gets in front: all that they leave; where that is less than it needs, the largest gives."""
    rest = (1 << PRECISION) - 2 * sum(pairs)
    while rest < (1 if zero else 0):
        pairs[pairs.index(max(pairs))] -= 1
        rest += 2
    if not zero:
        pairs[pairs.index(max(pairs))] += rest // 2
        rest = 0
    return [rest, *pairs]


def table(levels: Sequence[int]) -> Table:
    """The frequencies of all codes."""
    magnitudes = np.array(frequencies(levels), np.int64)
    full = np.zeros(SYMBOLS, np.int64)
    top = len(levels)
    full[LARGEST_CODE : LARGEST_CODE + top + 1] = magnitudes
    full[LARGEST_CODE - top : LARGEST_CODE + 1] = magnitudes[::-1]
    return full


def predict(earlier: Sequence[Sequence[int]], levels: Sequence[int]) -> int:
    """What the next level after `levels` is likely to be, given the two classes before, the latest last.

    The class before, shifted as the magnitude before was; for the first magnitude, as it was itself the time before.
    """
    k = len(levels)
    shift = 0
    if not earlier or k >= len(earlier[-1]) or earlier[-1][k] == NEVER:
        return next((level for level in reversed(levels) if level != NEVER), 0)
    if k and levels[-1] != NEVER and earlier[-1][k - 1] != NEVER:
        shift = levels[-1] - earlier[-1][k - 1]
    elif not k and len(earlier) > 1 and earlier[-2] and earlier[-2][0] != NEVER:
        shift = earlier[-1][0] - earlier[-2][0]
    return min(max(earlier[-1][k] + shift, -HIGHEST), HIGHEST)
