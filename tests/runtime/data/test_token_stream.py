"""Arrays viewed as one endless stream."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.runtime.data.errors import BatchError
from loopspec.runtime.data.token_stream import TokenStream


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5).filter(any), st.integers(0, 60), st.integers(0, 60))
def test_reads_as_if_concatenated_and_repeated(sizes, start, count):
    whole = np.arange(sum(sizes), dtype=np.uint16)
    stream = TokenStream(np.split(whole, np.cumsum(sizes)[:-1]))
    assert len(stream) == len(whole)
    expected = np.tile(whole, 130)[start : start + count]
    np.testing.assert_array_equal(stream.read(start, count), expected)
    assert stream.read(start, count).dtype == np.int64


@pytest.mark.parametrize("arrays", [[], [np.array([], np.uint16)]])
def test_no_tokens_are_refused(arrays):
    with pytest.raises(BatchError, match="no tokens"):
        TokenStream(arrays)
