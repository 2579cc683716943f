from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.examples import examples

from loopspec.compiler.spec.quantization import Clip, Scheme, Step
from loopspec.runtime.quantize import EncodedStore, QuantizeError, decode, encode, row_shape
from loopspec.runtime.quantize.store import decode_codes, stored_steps

ABSMAX = Clip("absmax")


def rounded(weights, bits: int, clip: Clip = ABSMAX, **step) -> EncodedStore:
    return encode("w", np.asarray(weights, np.float32), Scheme("integer", bits, clip, Step(**step)))


def oracle(row: list[float], bits: int, step: float) -> list[int]:
    """Rounds half to even in Python's own floats."""
    levels = 2 ** (bits - 1) - 1
    return [max(-levels, min(levels, round(float(np.float32(value) / np.float32(step))))) for value in row]


def test_std_step_is_k_population_deviations_and_codes_clamp():
    row = np.array([[3.0, -1.0, -1.0, -1.0]], np.float32)  # mean 0, population std sqrt(3)
    encoded = rounded(row, 4, Clip("std", 1.0))
    assert stored_steps(encoded) == np.float16(3**0.5 / 7)
    assert decode_codes(encoded).tolist() == [[7, -4, -4, -4]]


def test_halves_round_to_even():
    assert decode_codes(rounded([[7.0, 0.5, 1.5, 2.5, -0.5, -1.5]], 4)).tolist() == [[7, 0, 2, 2, 0, -2]]


@examples(150)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.floats(-100, 100, width=32)),
    st.integers(2, 8),
)
def test_absmax_codes_are_the_oracles_and_errors_within_half_a_step(weights, bits):
    encoded = rounded(weights, bits)
    codes, steps, decoded = decode_codes(encoded), stored_steps(encoded)[:, 0], decode(encoded)
    levels = 2 ** (bits - 1) - 1
    for row, row_codes, step, row_decoded in zip(weights, codes, steps, decoded, strict=True):
        if not row.any():
            assert step == 0 and not row_codes.any() and not row_decoded.any()
            continue
        assert row_codes.tolist() == oracle(row.tolist(), bits, float(step))
        # A step rounded down to float16 leaves the row's end up to half a float16 spacing a level outside the grid.
        slack = levels * float(np.spacing(np.float16(step)))
        assert np.abs(row - row_decoded).max() <= float(step) * 0.5001 + slack


def test_a_row_of_zeros_decodes_to_exact_zeros_between_others():
    decoded = decode(rounded([[1, -2], [0, -0.0], [3, 4]], 8))
    assert decoded[1].tolist() == [0.0, 0.0] and decoded[0].any() and decoded[2].any()


@pytest.mark.parametrize("clip", [ABSMAX, Clip("std", 3.0), Clip("percentile", percentile=0.9)])
def test_a_step_below_float16_becomes_its_smallest(clip):
    encoded = rounded([[1e-30, -1e-30]], 6, clip)
    assert stored_steps(encoded) == 2.0**-24 and not decode_codes(encoded).any()
    tiny = rounded([[3e-7, -3e-7]], 6, clip)
    assert decode_codes(tiny).any() and np.isfinite(decode(tiny)).all()


@pytest.mark.parametrize("per", ["store", "row", "group"])
def test_what_shares_a_step(per):
    """Absmax of the store, of rows, and of groups of three columns, of which the last has one."""
    weights = np.array([[1, 2, 3, 4, 5, 6, 7], [-8, 0, 0, 0, 0, 0, 9]], np.float32)
    limits = {"store": [[9]], "row": [[7], [9]], "group": [[3, 6, 7], [8, 0, 9]]}[per]
    encoded = rounded(weights, 8, per=per, group=3 if per == "group" else None, dtype="float32")
    steps = stored_steps(encoded)
    assert np.array_equal(steps, np.array(limits, np.float32) / np.float32(127))
    spread = np.repeat(steps, 3, axis=1)[:, :7] if per == "group" else np.broadcast_to(steps, (2, steps.shape[1]))
    expected = np.rint(weights / np.where(spread == 0, 1, spread))
    assert np.array_equal(decode_codes(encoded), np.broadcast_to(expected, weights.shape))
    assert np.abs(decode(encoded) - weights).max() <= 9 / 254 * 1.001


def test_a_floor_holds_for_all_rows_and_zeros_have_it():
    steps = stored_steps(rounded([[1, 2], [0.1, 0], [0, 0]], 6, floor=1 / 31))
    assert steps[:, 0].tolist() == np.array([2 / 31, 1 / 31, 1 / 31]).astype(np.float16).tolist()


def test_rounding_with_the_step_before_it_is_stored():
    """A step that float16 rounds: weights near the middle of two codes go to the other one."""
    weights = np.linspace(-3.0019, 3.0019, 3001, dtype=np.float32)[None]
    exact, stored = (rounded(weights, 8, rounds_with=which) for which in ("exact", "stored"))
    assert exact.parts["steps"] == stored.parts["steps"]
    step = weights.max() / np.float32(127)
    for encoded, used in ((exact, step), (stored, np.float32(np.float16(step)))):
        assert np.array_equal(decode_codes(encoded), np.rint(weights / used).clip(-127, 127))
    assert exact.parts["codes"] != stored.parts["codes"]


def test_percentile_clips_before_it_rounds_and_search_does_not():
    """They differ under a floor: the row's grid of 1/31 reaches to 1, and its clip only to about 0.1."""
    weights = np.full((1, 1001), 0.1, np.float32)
    weights[0, 0] = 0.9
    floor = 1 / 31
    clipped = decode_codes(rounded(weights, 6, Clip("percentile", percentile=0.999), floor=floor))
    searched = decode_codes(rounded(weights, 6, Clip("percentile_search", percentiles=(0.999,)), floor=floor))
    assert clipped[0, :2].tolist() == [3, 3] and searched[0, :2].tolist() == [28, 3]


@pytest.mark.parametrize("choose", ["row", "store"])
def test_the_search_takes_the_percentile_of_least_error(choose):
    generator = np.random.default_rng(3)
    weights = generator.standard_t(2.5, (6, 400)).astype(np.float32)
    shares = (0.9, 0.97, 0.99, 1.0)

    def errors(share):
        """(rows,)"""
        decoded = decode(rounded(weights, 4, Clip("percentile", percentile=share), floor=0.0))
        return np.square(decoded - weights).sum(axis=1)

    alone = np.stack([errors(share) for share in shares])
    best = alone.min(axis=0) if choose == "row" else alone[alone.sum(axis=1).argmin()]
    assert choose == "row" or len(set(alone.argmin(axis=0))) > 1
    found = decode(rounded(weights, 4, Clip("percentile_search", percentiles=shares, choose=choose)))
    np.testing.assert_allclose(np.square(found - weights).sum(axis=1), best, rtol=1e-6)


def test_ternary_is_nearest_on_the_mean_magnitude():
    weights = np.array([[2.0, -0.5, 0.25, -1.25]], np.float32)  # mean magnitude 1
    encoded = encode("w", weights, Scheme("ternary"))
    assert encoded.storage.levels == 1
    assert decode(encoded).tolist() == [[1, 0, 0, -1]]


def test_binary_is_the_sign_and_one_for_a_zero():
    weights = np.array([[2.0, -0.5, 0.0, -1.5], [0, 0, 0, 0]], np.float32)
    encoded = encode("w", weights, Scheme("binary"))
    assert decode_codes(encoded).tolist() == [[1, -1, 1, -1], [1, 1, 1, 1]]
    assert decode(encoded).tolist() == [[1, -1, 1, -1], [0, 0, 0, 0]]
    shared = decode(encode("w", weights, Scheme("binary", step=Step("store"))))
    assert shared.tolist() == [[0.5, -0.5, 0.5, -0.5], [0.5, 0.5, 0.5, 0.5]]


SEARCH = Clip("percentile_search", percentiles=(0.9, 1.0))


@pytest.mark.parametrize(
    ("weights", "scheme", "message"),
    [
        (
            [[1.0], [np.nan]],
            Scheme("integer", 6, ABSMAX),
            r"store w: 1 of 2 weights are not finite, the first nan at \(1, 0\)",
        ),
        ([[1.0], [-np.inf]], Scheme("integer", 6, ABSMAX), "store w: .* not finite, the first -inf"),
        ([[1.0], [3e6]], Scheme("integer", 6, ABSMAX), "store w, row 1: its step .* past float16's 65,504"),
        ([[1.0], [3e6]], Scheme("integer", 6, SEARCH), "store w, row 1: its step .* past float16's 65,504"),
        ([[1.0], [3e6]], Scheme("ternary", step=Step("store")), "store w: its step .* past float16's 65,504"),
        ([[1.0, 1], [1, 3e6]], Scheme("integer", 6, ABSMAX, Step("group", 1)), "store w, row 1: its step"),
        ([[1.0, -1.0], [5.0, 5.0]], Scheme("integer", 6, Clip("std", 3.0)), "store w, row 1: its mean 5 lies outside"),
        (
            [[1.0] + [0] * 9],
            Scheme("integer", 6, Clip("percentile", percentile=0.5)),
            "w, row 0: the percentile 0.5 of",
        ),
        ([[1.0]], Scheme("integer", 9, ABSMAX), "store w: 9 bits"),
        ([[1.0]], Scheme("integer", 1, ABSMAX), "store w: 1 bits"),
        ([[1.0]], Scheme("integer", 6), "store w: an integer scheme needs bits and a clip"),
        ([[1.0]], Scheme("integer", 6, Clip("std")), "store w: a std clip needs"),
        ([[1.0]], Scheme("integer", 6, Clip("std", -1.0)), "store w: a std clip needs"),
        ([[1.0]], Scheme("integer", 6, Clip("percentile")), "store w: a percentile clip needs shares .* not None"),
        ([[1.0]], Scheme("integer", 6, Clip("percentile_search")), "a percentile_search clip needs .* not none"),
        ([[1.0]], Scheme("integer", 6, Clip("percentile", percentile=1.5)), "up to 1, not 1.5"),
        ([[1.0]], Scheme("integer", 6, ABSMAX, Step("group")), "group need how many columns share one, group is None"),
        ([[1.0]], Scheme("integer", 6, ABSMAX, Step(floor=-1.0)), "floor of steps is -1.0"),
        ([[1.0]], Scheme("binary", prune=0.5), "binary weights have no zero"),
        ([[1.0]], Scheme("ternary", prune=1.0), "prune is 1.0"),
        ([[1.0]], Scheme("ternary", error_rank=2), r"error_rank is 2; a store of \(1, 1\) has ranks up to 1"),
    ],
)
def test_refusals_name_store_and_row(weights, scheme, message):
    with pytest.raises(QuantizeError, match=message):
        encode("w", np.array(weights, np.float32), scheme)


def test_row_shape():
    assert [row_shape(s) for s in ((), (5,), (3, 4), (3, 4, 5), (1, 7))] == [(1, 1), (1, 5), (3, 4), (3, 20), (1, 7)]
