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


def test_a_token_beyond_the_vocabulary_is_found_where_it_is_read():
    stream = TokenStream([np.array([1, 2], np.uint16), np.array([3, 9], np.uint16)], 9)
    assert stream.read(0, 3).tolist() == [1, 2, 3]
    with pytest.raises(BatchError, match=r"token 9 at place 3 of the training data is beyond the vocabulary of 9"):
        stream.read(5, 3)


def test_the_fingerprint_tells_streams_apart():
    first = np.arange(5000, dtype=np.uint16)
    marks = {
        TokenStream(arrays).fingerprint
        for arrays in ([first], [first[:-1]], [first[::-1]], [first[:10], first[10:]], [first + np.uint16(1)])
    }
    assert len(marks) == 5 and all(0 <= mark < 1 << 48 for mark in marks)
    assert TokenStream([first.copy()]).fingerprint == TokenStream([first]).fingerprint
