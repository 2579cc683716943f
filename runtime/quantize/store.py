"""One store as the bytes that enter the artifact: encode, decode and the byte counts that a shape and scheme imply."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Scheme
from .arrays import Float32Array, as_finite_float32
from .errors import QuantizeError
from .halves import to_halves
from .integer import Codes, dequantize, quantize_rows, row_shape

CODES, STEPS, VALUES = "codes", "steps", "values"


@dataclass(frozen=True, slots=True)
class EncodedStore:
    """A store as written.

    Attributes:
        shape: the tensor's shape.
        parts: raw bytes by part name, C order, little-endian. `integer`: "codes" (int8, one byte a weight) and "steps"
            (float16, one a row); `float16` and `float32`: "values".
    """

    name: str
    shape: tuple[int, ...]
    scheme: Scheme
    parts: dict[str, bytes]


def part_bytes(shape: tuple[int, ...], scheme: Scheme) -> dict[str, int]:
    """Length in bytes of every part of a store of this shape and scheme."""
    if scheme.kind == "integer":
        rows, cols = row_shape(shape)
        return {CODES: rows * cols, STEPS: 2 * rows}
    return {VALUES: prod(shape) * (2 if scheme.kind == "float16" else 4)}


def encode(name: str, array: npt.NDArray[Any], scheme: Scheme) -> EncodedStore:
    """Quantizes `array` by `scheme`. Raises QuantizeError, naming the store, for weights it cannot hold."""
    weights = as_finite_float32(array, name)
    if scheme.kind == "integer":
        parts = _integer_parts(name, weights, scheme)
    elif scheme.kind == "float16":
        parts = {VALUES: to_halves(weights, name).tobytes()}
    else:
        parts = {VALUES: weights.tobytes()}
    return EncodedStore(name, weights.shape, scheme, parts)


def decode(encoded: EncodedStore) -> Float32Array:
    """The store's float32 values, of its shape, as the scored model uses them.

    Raises:
        QuantizeError: a part is missing, of the wrong length, or holds a code or step outside the scheme.
    """
    check_parts(encoded)
    if encoded.scheme.kind == "integer":
        return dequantize(decode_codes(encoded)).reshape(encoded.shape)
    halves = encoded.scheme.kind == "float16"
    values = np.frombuffer(encoded.parts[VALUES], dtype="<f2" if halves else "<f4")
    if not np.isfinite(values).all():
        raise QuantizeError(f"store {encoded.name}: its values are not all finite; pack it again")
    return values.astype(np.float32).reshape(encoded.shape)


def decode_codes(encoded: EncodedStore) -> Codes:
    """Codes and steps of a store under an integer scheme, checked to lie on its grid."""
    codes = np.frombuffer(encoded.parts[CODES], dtype=np.int8).reshape(row_shape(encoded.shape))
    steps = np.frombuffer(encoded.parts[STEPS], dtype="<f2").astype(np.float16)
    levels = encoded.scheme.levels
    if codes.min() < -levels or codes.max() > levels:
        raise QuantizeError(f"store {encoded.name}: a code lies outside -{levels}..{levels}; pack it again")
    if not (np.isfinite(steps) & (steps >= 0)).all():
        raise QuantizeError(f"store {encoded.name}: a step is negative or not finite; pack it again")
    return Codes(codes, steps)


def check_parts(encoded: EncodedStore) -> None:
    """Raises QuantizeError unless the parts are exactly those, of exactly the lengths, that shape and scheme imply."""
    want = part_bytes(encoded.shape, encoded.scheme)
    have = {part: len(data) for part, data in encoded.parts.items()}
    if have != want:
        raise QuantizeError(f"store {encoded.name}: its parts are {have} bytes, {encoded.shape} needs {want}")


def _integer_parts(name: str, weights: Float32Array, scheme: Scheme) -> dict[str, bytes]:
    if scheme.bits is None or scheme.clip is None:
        raise QuantizeError(f"store {name}: an integer scheme needs bits and a clip")
    codes = quantize_rows(weights.reshape(row_shape(weights.shape)), scheme.bits, scheme.clip, name)
    return {CODES: codes.codes.tobytes(), STEPS: codes.steps.astype("<f2").tobytes()}
