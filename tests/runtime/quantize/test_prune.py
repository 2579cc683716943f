from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.examples import examples

from loopspec.compiler.spec.quantization import Clip, Gptq, Scheme
from loopspec.runtime.quantize import StoreStatistics, decode, encode, report_store
from loopspec.runtime.quantize.prune import prune_smallest

SMALL = hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(-2, 2, width=16))


@examples(100)
@given(SMALL, st.floats(0, 0.99))
def test_the_smallest_go_and_of_equal_ones_the_first(weights: np.ndarray, share: float) -> None:
    order = sorted(range(weights.size), key=lambda index: (abs(weights.flat[index]), index))
    expected = weights.copy()
    expected.flat[order[: int(share * weights.size)]] = 0
    before = weights.copy()
    assert np.array_equal(prune_smallest(weights, share), expected)
    assert np.array_equal(weights, before)


def test_a_scheme_prunes_before_it_rounds_and_reports_it() -> None:
    weights = np.random.default_rng(0).standard_normal((8, 50)).astype(np.float32)
    for scheme in (Scheme("integer", 8, Clip("std", 4.0), prune=0.3), Scheme("float16", prune=0.3)):
        encoded = encode("w", weights, scheme)
        assert np.count_nonzero(decode(encoded)) <= 280
        report = report_store(weights, encoded, scheme)
        assert report.pruned == 120 and report.zero_weights >= 120
    assert report.zero_weights == 120  # of floats, which round nothing else to zero


def test_what_is_pruned_stays_zero_under_gptq() -> None:
    generator = np.random.default_rng(1)
    weights = generator.standard_normal((12, 40)).astype(np.float32)
    inputs = (generator.standard_normal((200, 40)) + generator.standard_normal((200, 1))).astype(np.float32)
    statistics = StoreStatistics(200, 1, inputs.T @ inputs / 200, np.zeros((0, 0), np.float32), np.zeros(0))
    scheme = Scheme("integer", 8, Clip("std", 4.0), gptq=Gptq(), prune=0.5)
    decoded = decode(encode("w", weights, scheme, statistics))
    assert (decoded[prune_smallest(weights, 0.5) == 0] == 0).all()
    assert report_store(weights, encode("w", weights, scheme, statistics), scheme, statistics).gptq_gain > 0
