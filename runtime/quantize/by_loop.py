"""Steps for each loop of a shared matrix, blended with those of the other loops (parameter-golf PR 579, run 1).

Kept as a reference: the artifact that was published decoded every loop with the steps of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...compiler.spec.published_schemes import SCHEMES
from .activation_aware import activation_aware_rows
from .arrays import Float32Array, Int8Array
from .rounding import nearest
from .steps import as_stored

OWN = 0.7
"""Share of a loop's own steps; the rest is the mean of the other loops'."""


@dataclass(frozen=True, slots=True, eq=False)
class ByLoop:
    """A matrix with one set of codes.

    Attributes:
        codes: int8 (rows, cols) in -31..31, rounded with the mean of the loops' steps.
        steps: float32 (loops, rows), each a float16 value.
    """

    codes: Int8Array
    steps: Float32Array


def blended_by_loop(matrix: Float32Array, importances: Sequence[Float32Array]) -> ByLoop:
    """`matrix` (rows, cols) of two loops or more, for the importance (features,) of each loop's input."""
    scheme = SCHEMES["challenge-int6-rows"]
    own = np.stack([activation_aware_rows(matrix, importance).steps for importance in importances])
    others = (own.sum(axis=0) - own) / np.float32(len(own) - 1)
    blended = np.float32(OWN) * own + np.float32(1 - OWN) * others
    mean = as_stored(np.maximum(blended.mean(axis=0), np.float32(scheme.step.floor)), scheme.step)
    levels = np.full(len(matrix), scheme.levels, np.float32)
    return ByLoop(nearest(matrix, mean, levels), as_stored(blended, scheme.step))
