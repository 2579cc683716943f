"""int6 rows whose errors count by how large the activations are (parameter-golf PR 579, "activation-aware").

One of five percentiles is chosen for a whole matrix by its squared errors, each output row's times its importance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiler.spec.published_schemes import SCHEMES
from .arrays import Float32Array, Int8Array
from .percentile_search import first_least, squared_errors
from .quantile import row_quantiles
from .rounding import nearest
from .steps import as_stored, exact_steps
from .units import split_units, uniform_rows


@dataclass(frozen=True, slots=True, eq=False)
class Int6Rows:
    """int8 codes (rows, cols) in -31..31, and float32 steps (rows,), each a float16 value."""

    codes: Int8Array
    steps: Float32Array


def importance_of(activations: npt.NDArray[Any]) -> Float32Array:
    """Root mean square of each feature, float32 (features,), of activations (..., features)."""
    flat = activations.reshape(-1, activations.shape[-1])
    found: Float32Array = np.sqrt(np.square(flat, dtype=np.float64).mean(axis=0)).astype(np.float32)
    return found


def activation_aware_rows(matrix: Float32Array, importance: Float32Array) -> Int6Rows:
    """`matrix` (rows, cols) for importance (features,) of its first rows; with fewer features than rows none counts."""
    scheme = SCHEMES["challenge-int6-rows"]
    assert scheme.clip is not None
    weights = importance[: len(matrix)] if len(importance) >= len(matrix) else np.ones(len(matrix), np.float32)
    (units,) = split_units(matrix, uniform_rows(len(matrix), scheme.levels), scheme.step)
    limits = row_quantiles(np.abs(matrix), scheme.clip.percentiles)
    tried = [exact_steps(limit, units, scheme.step) for limit in limits]
    errors = np.array([(squared_errors(units, steps, scheme.step) * weights).sum() for steps in tried])
    steps = as_stored(tried[int(first_least(errors[:, None])[0])], scheme.step)
    return Int6Rows(nearest(matrix, steps, units.levels), steps)
