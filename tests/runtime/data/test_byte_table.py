"""Byte accounting: the challenge's table to the letter, and exact for every text of our own tokenizers."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.data.byte_table import ByteTable, assert_bytes_match
from loopspec.runtime.data.corpus import Document, standard_library_corpus
from loopspec.runtime.data.errors import ByteAccountingError
from loopspec.runtime.data.tokenizer import Tokenizer

GOLDEN = Path(__file__).parents[2] / "golden"
ARRAYS = np.load(GOLDEN / "bpb_eval_loader.npz")
DOCUMENTS = json.loads((GOLDEN / "bpb_eval_loader.json").read_text())["docs"]
CHALLENGE = Tokenizer.from_file(GOLDEN / "bpb_tiny.model")
OWN = Tokenizer.train([document.text for document in standard_library_corpus().validation], 500)
OWN_TABLE = ByteTable.from_tokenizer(OWN)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581"))


@pytest.mark.parametrize(("vocab_size", "suffix"), [(None, ""), (300, ""), (424, "_padded")])
def test_table_is_the_challenges(vocab_size, suffix):
    table = ByteTable.from_tokenizer(CHALLENGE, vocab_size)
    for name in ("base_bytes", "has_leading_space", "is_boundary"):
        expected = ARRAYS[name + suffix]
        assert getattr(table, name).dtype == expected.dtype
        np.testing.assert_array_equal(getattr(table, name), expected)


def test_counts_are_the_challenges():
    table = ByteTable.from_tokenizer(CHALLENGE)
    tokens = ARRAYS["tokens"]
    np.testing.assert_array_equal(table.count(tokens[:-1], tokens[1:]), ARRAYS["token_bytes_for_targets"])
    assert table.total(tokens) == ARRAYS["token_bytes_for_targets"].sum()


@pytest.mark.parametrize("document", DOCUMENTS, ids=["plain", "bytes", "spaces"])
def test_documents_of_the_challenges_tokenizer(document):
    table = ByteTable.from_tokenizer(CHALLENGE)
    stream = np.concatenate(([CHALLENGE.bos_id], CHALLENGE.encode(document["text"])))
    assert table.total(stream) == document["lut_bytes_bos_context"]
    assert len(table.target_text(stream)) == document["decoded_utf8"]


@examples(50)
@given(TEXTS, TEXTS)
def test_own_tokenizer_counts_every_text_exactly(first, second):
    documents = [Document("first", first), Document("second", second)]
    arrays = OWN.encode_documents([first, second])
    size = len(first.encode()) + len(second.encode())
    assert assert_bytes_match(documents, arrays, OWN_TABLE, OWN.bos_id) == size
    bos = np.array([OWN.bos_id], np.uint16)
    stream = np.concatenate((bos, arrays[0], bos, arrays[1]))
    assert OWN_TABLE.total(stream) == size
    assert OWN_TABLE.target_text(stream) == (first + second).encode()


def test_a_real_leading_space_counts_unless_the_challenges_rule_is_asked_for():
    stream = np.concatenate(([OWN.bos_id], OWN.encode(" x")))
    assert OWN_TABLE.total(stream) == 2
    assert ByteTable.from_tokenizer(OWN, dummy_prefix=True).total(stream) == 1


def test_a_changed_text_is_named_with_the_first_departure():
    table = ByteTable.from_tokenizer(CHALLENGE)
    documents = [Document("fine.txt", "one two"), Document("spaces.txt", "one  two")]
    arrays = [CHALLENGE.encode(document.text) for document in documents]
    with pytest.raises(
        ByteAccountingError, match=r"^spaces\.txt: .* counts 7 bytes, the text has 8; .* at byte 4 \(token"
    ):
        assert_bytes_match(documents, arrays, table, CHALLENGE.bos_id)


def test_lost_and_doubled_tokens_are_noticed():
    document = Document("file.py", "def function(argument):\n    return argument\n")
    tokens = OWN.encode(document.text)
    for wrong in (tokens[:-1], np.concatenate((tokens, tokens[-1:]))):
        with pytest.raises(ByteAccountingError, match=rf"file\.py: .*\(token {min(len(wrong), len(tokens))}\)"):
            assert_bytes_match([document], [wrong], OWN_TABLE, OWN.bos_id)


def test_text_beyond_the_tokenizer_is_not_made_up():
    table = ByteTable.from_tokenizer(OWN, 600)
    assert table.target_text(np.array([1, 550])) is None
    assert table.total(np.array([1, 550])) == 0
