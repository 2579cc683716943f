"""One store as the bytes that enter the artifact, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import Float32Array, Int8Array
from .errors import QuantizeError
from .grid_steps import grid_steps
from .storage import (
    BASE,
    CODES,
    COLUMNS,
    LEFT,
    LEFT_STEPS,
    RIGHT,
    RIGHT_STEPS,
    ROWS,
    STEPS,
    VALUES,
    Storage,
    part_bytes,
    row_shape,
    step_shape,
)


@dataclass(frozen=True, slots=True)
class EncodedStore:
    """A store as written.

    Attributes:
        shape: the tensor's shape.
        parts: raw bytes by part name, C order, little-endian, of the lengths that `part_bytes` gives.
    """

    name: str
    shape: tuple[int, ...]
    storage: Storage
    parts: dict[str, bytes]


def check_parts(encoded: EncodedStore) -> None:
    """Raises QuantizeError unless the parts are exactly those, of exactly the lengths, that shape and layout imply."""
    if 0 in encoded.shape:
        raise QuantizeError(f"store {encoded.name}: shape {encoded.shape} has no elements; pack it again")
    want = part_bytes(encoded.shape, encoded.storage)
    have = {part: len(data) for part, data in encoded.parts.items()}
    if have != want:
        raise QuantizeError(f"store {encoded.name}: its parts are {have} bytes, {encoded.shape} needs {want}")


def decode(encoded: EncodedStore) -> Float32Array:
    """The store's float32 values, of its shape, as the scored model uses them; the same bits on every machine.

    Raises:
        QuantizeError: a part is missing, of the wrong length, or holds a code, step or value outside the layout.
    """
    check_parts(encoded)
    kind = encoded.storage.kind
    if kind in ("float16", "float32"):
        return _float_values(encoded)
    values = decode_codes(encoded).astype(np.float32)
    with np.errstate(over="ignore"):
        values *= decode_steps(encoded)
        if encoded.storage.error_rank:
            add_low_rank(values, *_factors(encoded))
    if not np.isfinite(values).all():
        raise QuantizeError(f"store {encoded.name}: its values pass float32's range; pack it again")
    return values.reshape(encoded.shape)


def decode_codes(encoded: EncodedStore) -> Int8Array:
    """int8 (rows, cols) of an `integer` or `grid` store, checked to lie within its levels."""
    codes = _int8(encoded, CODES).reshape(row_shape(encoded.shape))
    _check_codes(encoded, codes, encoded.storage.levels)
    return codes


def decode_steps(encoded: EncodedStore) -> Float32Array:
    """float32 steps of an `integer` or `grid` store, of a shape that broadcasts to (rows, cols), checked."""
    if encoded.storage.kind == "grid":
        return _grid_steps(encoded)
    steps = stored_steps(encoded)
    cols = row_shape(encoded.shape)[1]
    return spread_steps(steps, encoded.storage.group, cols) if encoded.storage.steps == "group" else steps


def stored_steps(encoded: EncodedStore) -> Float32Array:
    """The steps of an `integer` store as written, float32 of its `step_shape`, checked."""
    width = "<f2" if encoded.storage.step_dtype == "float16" else "<f4"
    return _checked_steps(encoded, STEPS, width).reshape(step_shape(encoded.shape, encoded.storage))


def spread_steps(steps: Float32Array, group: int, cols: int) -> Float32Array:
    """(rows, cols) of steps (rows, groups), each shared by `group` columns; the last group may be shorter."""
    return np.repeat(steps, min(group, cols), axis=1)[:, :cols]  # a reader's group may be a lie of any size


def add_low_rank(values: Float32Array, left: Float32Array, right: Float32Array) -> None:
    """Adds left (rows, r) @ right (r, cols) to `values` in place.

    Term by term: a matrix product sums in an order that differs between machines.
    """
    for column, row in zip(left.T, right, strict=True):
        values += column[:, None] * row


def _factors(encoded: EncodedStore) -> tuple[Float32Array, Float32Array]:
    """left (rows, r) and right (r, cols) of the low-rank term."""
    rows, cols = row_shape(encoded.shape)
    rank = encoded.storage.error_rank
    factors = []
    for part, steps, shape in ((LEFT, LEFT_STEPS, (rows, rank)), (RIGHT, RIGHT_STEPS, (rank, cols))):
        codes = _int8(encoded, part).reshape(shape)
        _check_codes(encoded, codes, 127)
        factors.append(codes.astype(np.float32) * _checked_steps(encoded, steps, "<f2")[:, None])
    return factors[0], factors[1]


def _grid_steps(encoded: EncodedStore) -> Float32Array:
    base = np.frombuffer(encoded.parts[BASE], dtype="<f4")[0]
    rows, columns = _int8(encoded, ROWS), _int8(encoded, COLUMNS)
    if not (np.isfinite(base) and base > 0):
        raise QuantizeError(f"store {encoded.name}: its base step {base} is not a positive number; pack it again")
    return grid_steps(base, rows, columns)


def _float_values(encoded: EncodedStore) -> Float32Array:
    width = "<f2" if encoded.storage.kind == "float16" else "<f4"
    values = np.frombuffer(encoded.parts[VALUES], dtype=width)
    if not np.isfinite(values).all():
        raise QuantizeError(f"store {encoded.name}: its values are not all finite; pack it again")
    return values.astype(np.float32).reshape(encoded.shape)


def _int8(encoded: EncodedStore, part: str) -> Int8Array:
    return np.frombuffer(encoded.parts[part], dtype=np.int8)


def _check_codes(encoded: EncodedStore, codes: Int8Array, levels: int) -> None:
    if codes.min() < -levels or codes.max() > levels:
        raise QuantizeError(f"store {encoded.name}: a code lies outside -{levels}..{levels}; pack it again")


def _checked_steps(encoded: EncodedStore, part: str, width: str) -> Float32Array:
    steps: npt.NDArray[np.float32] = np.frombuffer(encoded.parts[part], dtype=width).astype(np.float32)
    if not (np.isfinite(steps) & (steps >= 0)).all():
        raise QuantizeError(f"store {encoded.name}: a step is negative or not finite; pack it again")
    return steps
