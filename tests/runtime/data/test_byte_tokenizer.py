"""Bytes as tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.runtime.data.byte_tokenizer import ByteTokenizer
from loopspec.runtime.data.errors import TokenizerError


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_token_a_byte_and_back(text):
    tokenizer = ByteTokenizer.for_vocabulary(257)
    tokens = tokenizer.encode(text)
    assert tokens.dtype == np.uint16 and tokens.tolist() == list(text.encode())
    assert tokenizer.decode(np.append(np.uint16(256), tokens)) == text
    assert [array.tolist() for array in tokenizer.encode_documents([text])] == [tokens.tolist()]


def test_the_opening_token_needs_a_row():
    small, large = ByteTokenizer.for_vocabulary(256), ByteTokenizer.for_vocabulary(320)
    assert (small.bos_id, small.opening_id, small.vocab_size) == (None, 10, 256)
    assert (large.bos_id, large.opening_id, large.vocab_size) == (256, 256, 257)
    assert [large.kind(token) for token in (0, 255, 256, 257)] == ["byte", "byte", "control", "absent"]
    assert small.kind(256) == "absent" and large.piece(10) == "<0x0A>"
    assert small.sha256 != large.sha256 == ByteTokenizer.for_vocabulary(257).sha256
    with pytest.raises(TokenizerError, match=r"needs 256 rows, model\.vocab_size is 255; use 257"):
        ByteTokenizer.for_vocabulary(255)
