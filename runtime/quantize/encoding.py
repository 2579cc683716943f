"""A store by its scheme: the parts that enter the artifact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Scheme
from .arrays import Float32Array, Int8Array, as_finite_float32
from .checks import check_scheme
from .error_correction import error_parts
from .errors import QuantizeError
from .factor import factorise
from .gptq import round_by
from .halves import to_halves
from .integer import Codes, integer_codes, mean_codes
from .prune import prune_smallest
from .row_bits import assign_row_bits, sensitivity_factors
from .statistics import StoreStatistics
from .steps import as_stored, rounding_steps
from .storage import CODES, STEPS, VALUES, Storage, row_shape, storage_of
from .store import EncodedStore, decode, spread_steps
from .units import Rows, uniform_rows


def encode(
    name: str, array: npt.NDArray[Any], scheme: Scheme, statistics: StoreStatistics | None = None
) -> EncodedStore:
    """Quantizes `array` by `scheme`.

    Raises:
        QuantizeError: naming the store: weights that are not finite or past what the scheme holds, a scheme that no
            store of this shape can have, or one that needs calibration without `statistics`.
    """
    weights = as_finite_float32(array, name)
    check_scheme(name, weights.shape, scheme, statistics)
    if scheme.kind == "rate_distortion":
        raise QuantizeError(f"store {name}: the budget fixes the steps of rate_distortion; encode_grid writes them")
    pruned = prune_smallest(weights, scheme.prune) if scheme.prune else weights
    storage = storage_of(scheme)
    if storage.kind == "float16":
        return EncodedStore(name, weights.shape, storage, {VALUES: to_halves(pruned, name).astype("<f2").tobytes()})
    if storage.kind == "float32":
        return EncodedStore(name, weights.shape, storage, {VALUES: pruned.astype("<f4").tobytes()})
    matrix = pruned.reshape(row_shape(weights.shape))
    parts = _code_parts(name, matrix, scheme, statistics, weights.reshape(matrix.shape))
    encoded = EncodedStore(name, weights.shape, storage, parts)
    return _corrected(encoded, matrix, statistics) if storage.error_rank else encoded


def row_settings(name: str, rows: int, scheme: Scheme, statistics: StoreStatistics | None) -> Rows:
    """Levels and factors of each row; `statistics` are there where the scheme needs them."""
    assert scheme.clip is not None and scheme.bits is not None
    settings = uniform_rows(rows, scheme.levels)
    if scheme.row_bits is None and scheme.clip.kind != "sensitivity_std":
        return settings
    assert statistics is not None
    if not statistics.outputs.any():
        raise QuantizeError(
            f"store {name}: calibration has no gradients of its rows, or only zeros; calibrate with gradients, "
            "in a mode that reads it"
        )
    if scheme.row_bits is not None:
        scores = np.sqrt(statistics.outputs).astype(np.float32)
        bits = assign_row_bits(scores, scheme.bits, scheme.row_bits)
        settings = replace(settings, levels=(2 ** (bits - 1) - 1).astype(np.float32))
    if scheme.clip.kind == "sensitivity_std":
        settings = replace(settings, factors=sensitivity_factors(statistics.outputs, scheme.clip))
    return settings


def _code_parts(
    name: str, matrix: Float32Array, scheme: Scheme, statistics: StoreStatistics | None, unpruned: Float32Array
) -> dict[str, bytes]:
    """Of `matrix`, on the grid of which GPTQ rounds the `unpruned` one, holding what is zero there at zero."""
    if scheme.kind != "integer":
        found = mean_codes(matrix, scheme, name)
        return _parts(found.codes, found, scheme)
    rows = row_settings(name, len(matrix), scheme, statistics)
    found = integer_codes(matrix, scheme, rows, name)
    if scheme.gptq is None:
        return _parts(found.codes, found, scheme)
    assert statistics is not None
    kept = matrix != 0 if scheme.prune else None
    return _parts(_gptq(name, unpruned, scheme, found, rows, statistics, kept), found, scheme)


def _gptq(
    name: str,
    matrix: Float32Array,
    scheme: Scheme,
    found: Codes,
    rows: Rows,
    statistics: StoreStatistics,
    kept: npt.NDArray[np.bool_] | None,
) -> Int8Array:
    """GPTQ's codes on the same steps. Rows do not depend on each other, so those of each width go by themselves."""
    assert scheme.gptq is not None
    steps = rounding_steps(found.exact, scheme.step)
    if scheme.step.per == "group":
        steps = spread_steps(steps, scheme.step.group or 1, matrix.shape[1])
    steps = np.broadcast_to(steps, (len(matrix), steps.shape[1]))
    codes = np.empty(matrix.shape, np.int8)
    factor = factorise(statistics.inputs, scheme.gptq, name)
    for levels in np.unique(rows.levels):
        chosen = rows.levels == levels
        held = None if kept is None else kept[chosen]
        codes[chosen] = round_by(factor, matrix[chosen], steps[chosen], int(levels), held)[0]
    return codes


def _parts(codes: Int8Array, found: Codes, scheme: Scheme) -> dict[str, bytes]:
    steps = as_stored(found.exact, scheme.step)
    return {CODES: codes.tobytes(), STEPS: steps.astype("<f2" if scheme.step.dtype == "float16" else "<f4").tobytes()}


def _corrected(encoded: EncodedStore, matrix: Float32Array, statistics: StoreStatistics | None) -> EncodedStore:
    """`encoded`, which has no low-rank term yet, with one."""
    plain: Storage = replace(encoded.storage, error_rank=0)
    errors = matrix - decode(replace(encoded, storage=plain)).reshape(matrix.shape)
    more = error_parts(errors, encoded.storage.error_rank, statistics)
    return replace(encoded, parts=encoded.parts | more)
