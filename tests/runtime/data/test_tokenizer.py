"""Tokenizers trained on source text: exact round trips, repeatable training, clear errors."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.data.corpus import standard_library_corpus
from loopspec.runtime.data.errors import TokenizerError
from loopspec.runtime.data.tokenizer import Tokenizer, training_key

GOLDEN = Path(__file__).parents[2] / "golden"
CORPUS = standard_library_corpus()
TRAIN_TEXTS = [document.text for document in CORPUS.train]
TOKENIZER = Tokenizer.train(TRAIN_TEXTS, 1024)
# A subprocess gets the texts in the same way; what it prints besides the digest would be the trainer's chatter.
TRAIN_ELSEWHERE = """
import sys
from loopspec.runtime.data.corpus import standard_library_corpus
from loopspec.runtime.data.tokenizer import Tokenizer
texts = [document.text for document in standard_library_corpus().train]
print(Tokenizer.train(texts, 1024).sha256, "torch" in sys.modules)
"""


def test_documents_come_back_exactly_and_are_packed_well():
    texts = [document.text for document in CORPUS.validation]
    arrays = TOKENIZER.encode_documents(texts)
    assert [TOKENIZER.decode(array) for array in arrays] == texts
    bytes_per_token = sum(len(text.encode()) for text in texts) / sum(len(array) for array in arrays)
    assert bytes_per_token > 2.5
    assert all((array == TOKENIZER.encode(text)).all() for array, text in zip(arrays, texts, strict=True))


@examples(50)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581")))
def test_any_text_comes_back_exactly(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.parametrize(
    "text", ["\r\n\tx\r", "  \n \n", "a\0b", " <s> ", "\ufeff<0x41>", "    " * 40 + "end", "\U0001f600"]
)
def test_odd_texts_come_back_exactly(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_indentation_is_one_piece():
    assert len(TOKENIZER.encode(" " * 8)) == 1
    assert len(TOKENIZER.encode(" " * 16)) == 1


def test_pieces_reach_across_spaces_and_line_ends():
    pieces = [TOKENIZER.piece(token) for token in range(TOKENIZER.vocab_size)]
    assert any("\u2581" in piece.lstrip("\u2581") for piece in pieces)
    assert any("\n\u2581" in piece for piece in pieces)


def test_training_is_silent_repeatable_and_needs_no_torch():
    done = subprocess.run([sys.executable, "-c", TRAIN_ELSEWHERE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [TOKENIZER.sha256, "False"]
    assert done.stderr == ""


def test_bytes_and_file_give_the_same_tokenizer(tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(TOKENIZER.model_bytes)
    loaded = Tokenizer.from_file(path)
    assert loaded.sha256 == TOKENIZER.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.vocab_size == 1024
    assert (loaded.encode("def f():") == Tokenizer.from_bytes(TOKENIZER.model_bytes).encode("def f():")).all()


def test_dummy_prefix_is_found_out():
    assert not TOKENIZER.has_dummy_prefix
    assert Tokenizer.from_file(GOLDEN / "bpb_tiny.model").has_dummy_prefix


@pytest.mark.parametrize("content", [b"", b"not a model" * 10, TOKENIZER.model_bytes[:1000]])
def test_a_bad_model_file_is_one_clear_error(tmp_path, content):
    path = tmp_path / "bad.model"
    path.write_bytes(content)
    with pytest.raises(TokenizerError, match=r"bad\.model: .*SentencePiece \.model file"):
        Tokenizer.from_file(path)


def test_a_missing_model_file_is_one_clear_error(tmp_path):
    with pytest.raises(TokenizerError, match=r"none\.model: cannot be read: No such file"):
        Tokenizer.from_file(tmp_path / "none.model")


@pytest.mark.parametrize(
    ("texts", "size", "message"),
    [
        (TRAIN_TEXTS[:20], 0, "must be 1 to 65536"),
        (TRAIN_TEXTS[:20], 70_000, "must be 1 to 65536"),
        (TRAIN_TEXTS[:20], 280, "280 pieces.*smaller than required_chars"),
        (["a b c " * 30], 5000, "5000 pieces.*too high"),
        ([], 512, "512 pieces"),
    ],
)
def test_impossible_training_is_one_clear_error(texts, size, message):
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.train(texts, size)


@examples(20)
@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_training_keys_differ_when_texts_do(first, second):
    assert (training_key(first, 512) == training_key(second, 512)) == (first == second)


def test_training_keys_differ_by_setting():
    assert len({training_key(["a"], 512), training_key(["a"], 513), training_key(["a"], 512, sample_bytes=9)}) == 3
