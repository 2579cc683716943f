from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from loopspec.compiler.spec.quantization import Clip, Scheme
from loopspec.runtime.quantize import QuantizeError, decode, encode, part_bytes

INT6 = Scheme("integer", 6, Clip("absmax"))


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("scheme", [INT6, Scheme("float16"), Scheme("float32")])
def test_parts_have_the_implied_lengths_and_decode_to_the_shape(shape, scheme):
    weights = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    encoded = encode("w", weights, scheme)
    assert {part: len(data) for part, data in encoded.parts.items()} == part_bytes(shape, scheme)
    decoded = decode(encoded)
    assert decoded.shape == shape and decoded.dtype == np.float32
    assert np.allclose(decoded, weights, atol=0.06, rtol=0)


def test_float_schemes_round_as_numpy_does():
    weights = np.random.default_rng(1).standard_normal(100).astype(np.float32)
    assert np.array_equal(decode(encode("w", weights, Scheme("float32"))), weights)
    assert np.array_equal(
        decode(encode("w", weights, Scheme("float16"))), weights.astype(np.float16).astype(np.float32)
    )


def test_rows_of_an_array_of_three_dimensions_are_its_first():
    weights = np.ones((2, 2, 2), np.float32) * np.array([1, 100], np.float32)[:, None, None]
    assert encode("w", weights, INT6).parts["steps"] == np.array([1 / 31, 100 / 31], "<f2").tobytes()


def test_a_transposed_array_is_stored_in_row_order():
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(decode(encode("w", weights.T, Scheme("float32"))), weights.T)


@pytest.mark.parametrize(
    ("array", "scheme", "message"),
    [
        (np.array([1.0, 7e4]), Scheme("float16"), r"store w: weight 70000 at \(1,\) is past float16's 65,504"),
        (np.array([1.0, np.inf]), Scheme("float16"), "store w: .* not finite"),
        (np.array([np.nan]), Scheme("float32"), "store w: .* not finite"),
        (np.array([1e300]), Scheme("float32"), "store w: .* not finite"),
        (np.array([1, 2]), Scheme("float16"), "store w: its dtype is int64"),
        (np.zeros((0, 3)), INT6, "store w: .* no elements"),
        (np.ones(2), Scheme("integer", 6), "store w: an integer scheme needs bits and a clip"),
    ],
)
def test_encode_refuses(array, scheme, message):
    with pytest.raises(QuantizeError, match=message):
        encode("w", array, scheme)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"codes": b"\x20\x00", "steps": b"\x00\x3c"}, "code lies outside -31..31"),
        ({"codes": b"\x01\x00", "steps": b"\x00\xbc"}, "step is negative"),
        ({"codes": b"\x01\x00", "steps": b"\x00\x7c"}, "step is negative or not finite"),
        ({"codes": b"\x01", "steps": b"\x00\x3c"}, "parts are"),
        ({"codes": b"\x01\x00"}, "parts are"),
    ],
)
def test_decode_refuses_what_encode_never_writes(parts, message):
    encoded = dataclasses.replace(encode("w", np.ones(2, np.float32), INT6), parts=parts)
    with pytest.raises(QuantizeError, match=message):
        decode(encoded)


def test_decode_refuses_float_values_that_are_not_finite():
    encoded = dataclasses.replace(encode("w", np.ones(1), Scheme("float16")), parts={"values": b"\x00\x7c"})
    with pytest.raises(QuantizeError, match="not all finite"):
        decode(encoded)
