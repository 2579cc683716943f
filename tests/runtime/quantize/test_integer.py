from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from loopspec.compiler.spec.quantization import Clip
from loopspec.runtime.quantize import QuantizeError, dequantize, quantize_rows, row_shape

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "quantizers.npz")
ABSMAX = Clip("absmax")


def oracle(row: list[float], bits: int, step: float) -> list[int]:
    """Rounds half to even in Python's own floats."""
    levels = 2 ** (bits - 1) - 1
    return [max(-levels, min(levels, round(float(np.float32(value) / np.float32(step))))) for value in row]


def test_absmax_matches_the_recorded_row_quantizer_where_its_clip_is_the_maximum():
    """The recorded one may clip at a percentile and floors the step; where its step is max/levels it is ours."""
    weights, steps = GOLDEN["W.wide"], GOLDEN["int6_per_row.wide.s"]
    same = (np.abs(weights).max(axis=1) / np.float32(31)).astype(np.float16) == steps
    assert same.sum() >= 5
    ours = quantize_rows(weights, 6, ABSMAX)
    assert np.array_equal(ours.codes[same], GOLDEN["int6_per_row.wide.q"][same])
    assert np.array_equal(ours.steps[same], steps[same])


def test_dequantize_matches_the_recorded_values():
    codes = quantize_rows(GOLDEN["W.wide"], 6, ABSMAX)
    recorded = type(codes)(GOLDEN["int6_per_row.wide.q"], GOLDEN["int6_per_row.wide.s"])
    assert np.array_equal(dequantize(recorded), GOLDEN["int6_per_row.wide.deq"])


def test_absmax_matches_the_recorded_vector():
    codes = quantize_rows(GOLDEN["W.vec"][None], 6, ABSMAX)
    assert np.array_equal(codes.codes[0], GOLDEN["int6_per_row.vec.q"])
    assert codes.steps[0] == GOLDEN["int6_per_row.vec.s"]


def test_std_step_is_k_population_deviations_and_codes_clamp():
    row = np.array([[3.0, -1.0, -1.0, -1.0]], np.float32)  # mean 0, population std sqrt(3)
    codes = quantize_rows(row, 4, Clip("std", 1.0))
    assert codes.steps[0] == np.float16(3**0.5 / 7)
    assert codes.codes.tolist() == [[7, -4, -4, -4]]


def test_halves_round_to_even():
    codes = quantize_rows(np.array([[7.0, 0.5, 1.5, 2.5, -0.5, -1.5]], np.float32), 4, ABSMAX)
    assert codes.codes.tolist() == [[7, 0, 2, 2, 0, -2]]


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.floats(-100, 100, width=32)),
    st.integers(2, 8),
)
def test_absmax_codes_are_the_oracles_and_errors_within_half_a_step(weights, bits):
    codes = quantize_rows(weights, bits, ABSMAX)
    decoded = dequantize(codes)
    levels = 2 ** (bits - 1) - 1
    for row, row_codes, step, row_decoded in zip(weights, codes.codes, codes.steps, decoded, strict=True):
        if not row.any():
            assert step == 0 and not row_codes.any() and not row_decoded.any()
            continue
        assert row_codes.tolist() == oracle(row.tolist(), bits, float(step))
        # A step rounded down to float16 leaves the row's end up to half a float16 spacing a level outside the grid.
        slack = levels * float(np.spacing(step))
        assert np.abs(row - row_decoded).max() <= float(step) * 0.5001 + slack


def test_a_row_of_zeros_decodes_to_exact_zeros_between_others():
    weights = np.array([[1, -2], [0, -0.0], [3, 4]], np.float32)
    decoded = dequantize(quantize_rows(weights, 8, ABSMAX))
    assert decoded[1].tolist() == [0.0, 0.0] and decoded[0].any() and decoded[2].any()


@pytest.mark.parametrize("clip", [ABSMAX, Clip("std", 3.0)])
def test_a_step_below_float16_becomes_its_smallest(clip):
    codes = quantize_rows(np.array([[1e-30, -1e-30]], np.float32), 6, clip)
    assert codes.steps[0] == np.float16(2.0**-24) and not codes.codes.any()
    tiny = quantize_rows(np.array([[3e-7, -3e-7]], np.float32), 6, clip)
    assert tiny.codes.any() and np.isfinite(dequantize(tiny)).all()


@pytest.mark.parametrize(
    ("weights", "bits", "clip", "message"),
    [
        ([[1.0], [np.nan]], 6, ABSMAX, r"store w: 1 of 2 weights are not finite, the first nan at \(1, 0\)"),
        ([[1.0], [-np.inf]], 6, ABSMAX, "store w: .* not finite, the first -inf"),
        ([[1.0], [3e6]], 6, ABSMAX, "store w, row 1: its step .* past float16's 65,504"),
        ([[1.0, -1.0], [5.0, 5.0]], 6, Clip("std", 3.0), "store w, row 1: its mean 5 lies outside the grid"),
        ([[1.0]], 9, ABSMAX, "store w: 9 bits"),
        ([[1.0]], 1, ABSMAX, "store w: 1 bits"),
        ([[1.0]], 6, Clip("std"), "store w: a std clip needs"),
        ([[1.0]], 6, Clip("std", -1.0), "store w: a std clip needs"),
        ([1.0], 6, ABSMAX, "store w: rows need a matrix"),
    ],
)
def test_refusals_name_store_and_row(weights, bits, clip, message):
    with pytest.raises(QuantizeError, match=message):
        quantize_rows(np.array(weights, np.float32), bits, clip, "w")


def test_row_shape():
    assert [row_shape(s) for s in ((), (5,), (3, 4), (3, 4, 5), (1, 7))] == [(1, 1), (1, 5), (3, 4), (3, 20), (1, 7)]
