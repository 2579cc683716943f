from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.examples import examples

from loopspec.runtime.entropy import (
    EntropyError,
    classes,
    decode_codes,
    encode_codes,
    estimate_bytes,
    estimate_fitted,
    fit_codes,
    rans,
)
from loopspec.runtime.entropy.adaptive_bits import BitReader, BitWriter
from loopspec.runtime.entropy.classes import FARTHEST, MIN_LENGTH, ClassModel, Placement, classes_of, describe
from loopspec.runtime.entropy.codes import read_model

GOLDEN = bytes.fromhex(
    "0f00000042113040ee4ff20e32de6ade24cfa7436409000a7cf1ba0fff6adb7bd665a7feb04457ff9fa1eef473b80e8a649a"
    "12becb2e2769bced16b2e1e1a8e86326b46ad1cea82424c152a8a7b76a8a5d229bc110e7090002"
)
SHAPES = st.tuples(st.integers(0, 24), st.integers(0, 24))
MATRICES = st.lists(SHAPES.flatmap(lambda shape: arrays(np.int8, shape, elements=st.integers(-127, 127))), max_size=3)


def shapes_of(matrices):
    return [matrix.shape for matrix in matrices]


def same(found, matrices):
    return len(found) == len(matrices) and all(
        one.dtype == np.int8 and one.shape == other.shape and np.array_equal(one, other)
        for one, other in zip(found, matrices, strict=True)
    )


def normal(generator, shape, row_spread=0.4, column_spread=0.4, scale=2.4):
    rows = np.exp(row_spread * generator.standard_normal(shape[0]))
    columns = np.exp(column_spread * generator.standard_normal(shape[1]))
    values = scale * generator.standard_normal(shape) * rows[:, None] * columns
    return np.clip(np.rint(values), -127, 127).astype(np.int8)


def small_matrices():
    """Integers of a fixed recurrence, so that they do not depend on numpy's generators."""
    state, found = 1, []
    for _ in range(8 * 16 + 7):
        state = (1103515245 * state + 12345) % 2**31
        found.append(sum((state >> shift) % 8 - 3 for shift in (5, 13, 21)))
    codes = np.array(found, np.int8)
    return [codes[: 8 * 16].reshape(8, 16) // np.where(np.arange(16) % 4, 1, 3).astype(np.int8), codes[None, 128:]]


@examples(30)
@given(MATRICES)
def test_any_matrices_come_back(matrices):
    assert same(decode_codes(encode_codes(matrices), shapes_of(matrices), "x"), matrices)


@pytest.mark.parametrize(
    ("distinct", "bits"), [([-1, 1], 1), ([0, 127], 1.5), ([-127, 127], 1), ([5], 1), ([-1, 0, 1], 1.585), ([0], 0)]
)
def test_few_distinct_codes(distinct, bits):
    """Signs take a bit each."""
    generator = np.random.default_rng(0)
    matrices = [generator.choice(np.array(distinct, np.int8), (50, 70)), np.full((1, 9), distinct[0], np.int8)]
    data = encode_codes(matrices)
    assert same(decode_codes(data, shapes_of(matrices), "x"), matrices)
    assert len(data) < 3509 * bits / 8 + 60


def test_zeros_cost_almost_nothing():
    matrices = [np.zeros((3000, 1000), np.int8) for _ in range(30)]
    assert len(encode_codes(matrices)) < 24
    assert same(decode_codes(encode_codes(matrices), shapes_of(matrices), "x"), matrices)


def test_no_matrices():
    assert decode_codes(encode_codes([]), [], "x") == []


def test_zero_rows_and_columns_cost_their_exponents():
    full = normal(np.random.default_rng(1), (160, 160), 0, 0)
    pruned = full.copy()
    pruned[::2] = 0
    pruned[:, ::2] = 0
    assert len(encode_codes([pruned])) < 0.28 * len(encode_codes([full]))


def test_more_lanes_than_one_and_a_last_step_of_few():
    matrix = normal(np.random.default_rng(2), (101, 331))
    assert rans.lanes_for(matrix.size) == 16 and matrix.size % 16
    assert same(decode_codes(encode_codes([matrix]), [matrix.shape], "x"), [matrix])


def test_the_bytes_do_not_drift():
    matrices = small_matrices()
    assert encode_codes(matrices) == GOLDEN
    assert same(decode_codes(GOLDEN, shapes_of(matrices), "x"), matrices)


def test_overhead_on_the_conditional_entropy():
    """Counted here in float64 from the decoder's classes, signs included, without the code under test."""
    generator = np.random.default_rng(3)
    matrices = [normal(generator, shape, 0.1) for shape in ((256, 256), (512, 256), (256, 512))]
    data = encode_codes(matrices)
    classes = classes_of(read_model(data, shapes_of(matrices), "x")[0], shapes_of(matrices)).astype(int)
    codes = np.concatenate([matrix.ravel() for matrix in matrices]).astype(int)
    counts = np.zeros((classes.max() + 1, 256))
    np.add.at(counts, (classes, codes + 128), 1)
    chances = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    entropy = -(counts * np.log2(np.where(counts, chances, 1))).sum() / 8
    assert entropy < len(data) < 1.012 * entropy


def test_classes_beat_the_entropy_of_each_matrix():
    """Row and column variances are worth more than they take: 2 sigma^2 of logarithms, half of it in nats a code."""
    matrix = normal(np.random.default_rng(4), (400, 400))
    _, counts = np.unique(matrix, return_counts=True)
    entropy = -(counts * np.log2(counts / matrix.size)).sum() / 8
    assert len(encode_codes([matrix])) < 0.96 * entropy


def test_matrices_of_other_distributions_get_tables_of_their_own():
    """Normal numbers, and magnitudes that are all alike, in the same classes."""
    generator = np.random.default_rng(5)
    bells = [normal(generator, (200, 200)) for _ in range(2)]
    signs = normal(generator, (200, 200), 0, 0)
    scales = np.exp(0.4 * generator.standard_normal(200))
    signs = np.rint(2.4 * scales * np.where(signs > 0, 1, -1)).astype(np.int8)
    model = read_model(encode_codes([bells[0], signs, bells[1]]), 3 * [(200, 200)], "x")[0]
    assert [placement and placement.group for placement in model.placements] == [0, 1, 0]


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_estimate_is_within_a_thousandth(spread):
    generator = np.random.default_rng(6)
    matrices = [normal(generator, shape, spread, spread) for shape in ((128, 256), (1, 900), (300, 128))]
    matrices.append(np.zeros((40, 40), np.int8))
    length = len(encode_codes(matrices))
    assert abs(estimate_bytes(matrices) - length) <= max(0.001 * length, 8)
    kept = [fit_codes(matrix) for matrix in matrices]
    assert estimate_fitted(shapes_of(matrices), kept) == estimate_bytes(matrices)


def test_a_matrix_met_twice_is_counted_twice():
    one = fit_codes(normal(np.random.default_rng(7), (100, 100)))
    single = estimate_fitted([(100, 100)], [one])
    assert 1.8 * single < estimate_fitted(2 * [(100, 100)], [one, one]) < 2 * single


def test_the_lowest_int8_is_refused():
    with pytest.raises(EntropyError, match=r"-128; codes lie in -127\.\.127"):
        encode_codes([np.array([[-128]], np.int8)])


def test_a_stream_in_columns_order_and_a_view_encode_alike():
    matrix = normal(np.random.default_rng(8), (60, 90))
    assert encode_codes([np.asfortranarray(matrix)]) == encode_codes([matrix])


def attack(data, shapes):
    """What decoding hostile bytes gave: an error that names the place, or matrices of the right shapes."""
    try:
        found = decode_codes(data, shapes, "the place")
    except EntropyError as error:
        assert str(error).startswith("the place: ") and str(error).endswith("pack the model again")
        return None
    assert shapes_of(found) == list(shapes)
    return found


def test_every_truncation_is_refused():
    matrices = small_matrices()
    data = encode_codes(matrices)
    assert [length for length in range(len(data)) if attack(data[:length], shapes_of(matrices)) is not None] == []
    assert attack(data + b"\0\0", shapes_of(matrices)) is None
    assert attack(data + b"\0", shapes_of(matrices)) is None


@pytest.mark.parametrize("stride", [19, pytest.param(1, marks=pytest.mark.torture)])
def test_every_flipped_bit_is_refused_or_harmless(stride):
    matrices = small_matrices()
    data = encode_codes(matrices)
    accepted = 0
    for position in range(0, 8 * len(data), stride):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        accepted += attack(bytes(flipped), shapes_of(matrices)) is not None
    assert accepted <= 0.02 * 8 * len(data) / stride


@examples(50)
@given(st.binary(max_size=80), st.lists(SHAPES, max_size=3), st.booleans())
def test_any_bytes_are_refused_or_harmless(data, shapes, framed):
    start = len(data) // 2
    attack(start.to_bytes(4, "little") + data if framed else data, shapes)


@pytest.mark.parametrize("other", [[(8, 16)], [(16, 8), (1, 7)], [(8, 17), (1, 7)], [(8, 16), (1, 7), (3, 3)], []])
def test_other_shapes_are_refused_or_harmless(other):
    attack(encode_codes(small_matrices()), other)


def test_an_impossible_length_of_the_description():
    with pytest.raises(
        EntropyError, match=r"m\.loopspec, codes: 12 bytes cannot hold a class description of 4294967295"
    ):
        decode_codes(b"\xff" * 12, [(2, 2)], "m.loopspec, codes")


def test_exponents_that_only_take_time_are_refused(monkeypatch):
    """Thousands of equal decisions take a few bytes; a reader stops where the sum passes its bound, and so a writer."""
    model = ClassModel([Placement(0, 0, [FARTHEST] * 64, ())], [1], [[]])
    monkeypatch.setattr(classes, "MOST_EXPONENTS", 64 * FARTHEST)
    bits = BitWriter()
    describe(bits, [(64, MIN_LENGTH)], model)
    data = bits.finish()
    assert describe(BitReader(data, "x"), [(64, MIN_LENGTH)], None) == model
    monkeypatch.setattr(classes, "MOST_EXPONENTS", 64 * FARTHEST - 1)
    for direction, stated in ((BitReader(data, "x"), None), (BitWriter(), model)):
        with pytest.raises(EntropyError, match=r"a sum of 7680 of exponents is out of range; pack the model again"):
            describe(direction, [(64, MIN_LENGTH)], stated)
