from __future__ import annotations

import numpy as np
import pytest

from loopspec.compiler.spec.quantization import Clip, Scheme, Step
from loopspec.runtime.quantize import EncodedStore, QuantizeError, Storage, decode, encode, part_bytes
from loopspec.runtime.quantize.grid_steps import SIXTEENTHS, grid_steps, powers

INT6 = Scheme("integer", 6, Clip("absmax"))


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize(
    "scheme",
    [
        INT6,
        Scheme("integer", 6, Clip("absmax"), Step("store", dtype="float32")),
        Scheme("integer", 6, Clip("absmax"), Step("group", 3)),
        Scheme("integer", 6, Clip("absmax"), error_rank=1),
        Scheme("float16"),
        Scheme("float32"),
    ],
)
def test_parts_have_the_implied_lengths_and_decode_to_the_shape(shape, scheme):
    weights = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    encoded = encode("w", weights, scheme)
    assert {part: len(data) for part, data in encoded.parts.items()} == part_bytes(shape, encoded.storage)
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
    ],
)
def test_encode_refuses(array, scheme, message):
    with pytest.raises(QuantizeError, match=message):
        encode("w", array, scheme)


ONE = b"\x00\x3c"
PLAIN = Storage("integer", 31)
GRID = Storage("grid", 127)
CORRECTED = Storage("integer", 31, error_rank=1)
RIGHT = {"codes": b"\x01\x00", "steps": ONE}
FACTORS = {"left": b"\x01", "left_steps": ONE, "right": b"\x01\x02", "right_steps": ONE}
EXPONENTS = {"rows": b"\x00", "columns": b"\x00\x10"}
BASE = np.float32(1).tobytes()


def of_two(storage: Storage, parts: dict[str, bytes]) -> EncodedStore:
    return EncodedStore("w", (2,), storage, parts)


@pytest.mark.parametrize(
    ("storage", "parts", "message"),
    [
        (PLAIN, RIGHT | {"codes": b"\x20\x00"}, "code lies outside -31..31"),
        (PLAIN, RIGHT | {"codes": b"\x80\x00"}, "code lies outside -31..31"),
        (PLAIN, RIGHT | {"steps": b"\x00\xbc"}, "step is negative"),
        (PLAIN, RIGHT | {"steps": b"\x00\x7c"}, "step is negative or not finite"),
        (PLAIN, RIGHT | {"codes": b"\x01"}, "parts are"),
        (PLAIN, {"codes": b"\x01\x00"}, "parts are"),
        (PLAIN, RIGHT | {"more": b""}, "parts are"),
        (Storage("integer", 31, step_dtype="float32"), RIGHT | {"steps": b"\x00\x00\xc0\x7f"}, "not finite"),
        (
            Storage("integer", 31, step_dtype="float32"),
            RIGHT | {"steps": b"\xff\xff\x7f\x7f", "codes": b"\x02\x00"},
            "range",
        ),
        (CORRECTED, RIGHT | FACTORS | {"left_steps": b"\x00\xfc"}, "step is negative or not finite"),
        (CORRECTED, RIGHT | FACTORS | {"right": b"\x80\x00"}, "code lies outside -127..127"),
        (CORRECTED, RIGHT, "parts are"),
        (GRID, {"codes": b"\x80\x00", "base": BASE} | EXPONENTS, "code lies outside -127..127"),
        (GRID, {"codes": b"\x01\x00", "base": np.float32(0).tobytes()} | EXPONENTS, "base step 0.0 is not a positive"),
        (GRID, {"codes": b"\x01\x00", "base": np.float32(-1).tobytes()} | EXPONENTS, "base step -1.0"),
        (GRID, {"codes": b"\x01\x00", "base": np.float32(np.nan).tobytes()} | EXPONENTS, "base step nan"),
        (GRID, {"codes": b"\x01\x01", "base": np.float32(3e38).tobytes()} | EXPONENTS, "pass float32's range"),
        (Storage("float16"), {"values": b"\x00\x7c\x00\x00"}, "not all finite"),
        (Storage("float32"), {"values": b"\x00\x00\xc0\x7f" * 2}, "not all finite"),
    ],
)
def test_decode_refuses_what_encode_never_writes(storage, parts, message):
    with pytest.raises(QuantizeError, match=message):
        decode(of_two(storage, parts))


def test_decode_refuses_a_store_of_nothing():
    with pytest.raises(QuantizeError, match="has no elements"):
        decode(EncodedStore("w", (0, 2), PLAIN, {"codes": b"", "steps": b""}))


def test_steps_of_groups_are_shared_by_their_columns():
    parts = {"codes": bytes([1, 1, 1, 2, 2, 2]), "steps": np.array([1, 2, 3, 4], "<f2").tobytes()}
    decoded = decode(EncodedStore("w", (2, 3), Storage("integer", 31, "group", 2), parts))
    assert decoded.tolist() == [[1, 1, 2], [6, 6, 8]]


def test_a_low_rank_term_is_added():
    decoded = decode(of_two(CORRECTED, RIGHT | FACTORS | {"left": b"\xfe"}))
    assert decoded.tolist() == [1 - 2, 0 - 4]


def test_a_grid_is_the_base_times_the_power_of_both_exponents():
    codes = np.array([[1, -2, 127], [3, 0, 1]], np.int8)
    rows, columns = np.array([-128, 127], np.int8), np.array([-128, 5, 127], np.int8)
    parts = {
        "codes": codes.tobytes(),
        "base": np.float32(0.3).tobytes(),
        "rows": rows.tobytes(),
        "columns": columns.tobytes(),
    }
    sums = rows.astype(float)[:, None] + columns
    decoded = decode(EncodedStore("w", (2, 3), GRID, parts))
    np.testing.assert_allclose(decoded, codes * 0.3 * 2 ** (sums / 16), rtol=2e-7)


def test_powers_are_sixteenths_of_two_and_exact_between_octaves():
    assert all(SIXTEENTHS[k] == np.float32(2 ** (k / 16)) for k in range(16))
    exponents = np.arange(-256, 256)
    found = powers(exponents)
    assert found.dtype == np.float32 and np.array_equal(found[16:], 2 * found[:-16])
    assert found[256] == 1 and np.array_equal(found[256:272], SIXTEENTHS)
    zero = np.zeros(1, np.int8)
    assert grid_steps(np.float32(0.7), zero, np.array([-7], np.int8)) == np.float32(0.7) * powers(np.array([-7]))[0]
