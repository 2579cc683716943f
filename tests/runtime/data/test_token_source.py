"""Token data from a corpus and from shards."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.data import token_source
from loopspec.runtime.data.byte_tokenizer import ByteTokenizer
from loopspec.runtime.data.corpus import Corpus, Document, SkippedFile, split_documents, standard_library_corpus
from loopspec.runtime.data.errors import ByteAccountingError, ShardError
from loopspec.runtime.data.shards import write_shard
from loopspec.runtime.data.token_source import from_corpus, from_shards, validation_from_corpus
from loopspec.runtime.data.tokenizer import Tokenizer

GOLDEN = Path(__file__).parents[2] / "golden"
ARRAYS = np.load(GOLDEN / "bpb_eval_loader.npz")
CHALLENGE = Tokenizer.from_file(GOLDEN / "bpb_tiny.model")
TEXT = "".join(document.text for document in standard_library_corpus().validation)
DOCUMENTS = [Document(f"part{start}", TEXT[start : start + 2000]) for start in range(0, 100_000, 2000)]
CORPUS = split_documents(DOCUMENTS, 20_000, [SkippedFile("a.py", "empty"), SkippedFile("b.py", "empty")])
OWN = Tokenizer.train([document.text for document in DOCUMENTS], 512)
TRAIN_PATTERN = str(GOLDEN / "shard_s_*.bin")


def test_corpus_tokens_decode_to_the_documents_and_bytes_are_the_texts():
    data = from_corpus(CORPUS, OWN, 600)
    text = "".join(document.text for document in CORPUS.validation).encode()
    assert (data.validation_bytes, data.validation_text) == (len(text), text)
    assert data.byte_table.total(data.validation) == len(text)
    assert len(data.byte_table.base_bytes) == 600
    train = data.train.read(0, len(data.train)).astype(np.uint16)
    parts = np.split(train, np.flatnonzero(train == OWN.bos_id))[1:]
    assert [OWN.decode(part[1:]) for part in parts] == [document.text for document in CORPUS.train]
    assert data.validation[0] == OWN.bos_id
    assert [event.message for event in data.events] == ["left out of the corpus: 2 files (2 empty)"]
    assert CORPUS.sha256[:12] in data.description
    assert data.corpus_sha256 == CORPUS.sha256
    assert data.validation_sha256 == hashlib.sha256(data.validation.astype("<u2").tobytes()).hexdigest()


def test_validation_of_the_corpus_by_itself_tokenizes_no_training_document(monkeypatch):
    data = from_corpus(CORPUS, OWN, 600)
    encoded = []
    encode = Tokenizer.encode_documents
    monkeypatch.setattr(Tokenizer, "encode_documents", lambda self, texts: encoded.extend(texts) or encode(self, texts))
    validation = validation_from_corpus(CORPUS, OWN, 600)
    assert (validation.sha256, validation.bytes) == (data.validation_sha256, data.validation_bytes)
    np.testing.assert_array_equal(validation.tokens, data.validation)
    assert encoded == [document.text for document in CORPUS.validation]


def test_a_tokenizer_that_changes_the_text_is_refused():
    documents = [Document(f"file{index}.py", f"value  = {index}\n") for index in range(20)]
    with pytest.raises(ByteAccountingError, match=r"file\d+\.py: the byte table counts"):
        from_corpus(split_documents(documents, 60), CHALLENGE)


def test_shards_give_the_challenges_bytes(tmp_path):
    write_shard(tmp_path / "val_0.bin", ARRAYS["tokens"][:700])
    write_shard(tmp_path / "val_1.bin", ARRAYS["tokens"][700:])
    data = from_shards(TRAIN_PATTERN, f"{tmp_path}/val_*.bin", CHALLENGE, 424)
    assert len(data.train) == 157
    np.testing.assert_array_equal(data.validation, ARRAYS["tokens"])
    assert data.validation_bytes == ARRAYS["token_bytes_for_targets"].sum() == len(data.validation_text)
    assert data.validation_text.startswith(b"The quiet river")
    bodies = [(tmp_path / f"val_{index}.bin").read_bytes()[1024:] for index in range(2)]
    assert data.validation_sha256 == hashlib.sha256(b"".join(bodies)).hexdigest() != data.corpus_sha256
    assert data.bos_id == CHALLENGE.bos_id
    assert data.events == ()


def test_text_that_is_not_decoded_is_an_event(tmp_path, monkeypatch):
    path = tmp_path / "val.bin"
    write_shard(path, np.append(ARRAYS["tokens"][:4], 0))  # the unknown piece
    data = from_shards(TRAIN_PATTERN, str(path), CHALLENGE, 424)
    assert data.validation_text is None
    assert [event.kind for event in data.events] == ["validation_text_missing"]
    monkeypatch.setattr(token_source, "MAX_DECODED_TOKENS", 2)
    write_shard(path, ARRAYS["tokens"][:3])
    (event,) = from_shards(TRAIN_PATTERN, str(path), CHALLENGE).events
    assert event.message == "validation text not decoded: 3 tokens are over 2"


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_token_beyond_the_tokenizer_is_refused_even_where_the_model_has_a_row(tmp_path, split):
    write_shard(tmp_path / "train.bin", ARRAYS["tokens"])
    write_shard(tmp_path / "val.bin", ARRAYS["tokens"])
    write_shard(tmp_path / f"{split}.bin", np.array([1, 400]))
    with pytest.raises(ShardError, match=rf"{split}\.bin: byte 1026: token 400 .* tokenizer's vocabulary of 400; give"):
        from_shards(f"{tmp_path}/train.bin", f"{tmp_path}/val.bin", CHALLENGE, 424)


def test_only_the_first_shards_are_used_and_looked_at(tmp_path):
    for index in range(3):
        write_shard(tmp_path / f"train_{index}.bin", np.full(10, index))
    (tmp_path / "train_2.bin").write_bytes(b"damaged")
    write_shard(tmp_path / "val.bin", ARRAYS["tokens"])
    told = []
    progress = lambda done, total: told.append((done, total))  # noqa: E731
    pattern, validation = f"{tmp_path}/train_*.bin", f"{tmp_path}/val.bin"
    data = from_shards(pattern, validation, CHALLENGE, limit=2, progress=progress)
    assert data.train.read(0, 20).tolist() == [0] * 10 + [1] * 10 and told == [(1, 2), (2, 2)]
    assert [event.message for event in data.events] == ["training on the first 2 of 3 shards (data.source.limit 2)"]
    assert data.corpus_sha256 != from_shards(pattern, validation, CHALLENGE, limit=1).corpus_sha256
    with pytest.raises(ShardError, match=r"train_2\.bin: byte 7: ends inside the 1024-byte header"):
        from_shards(pattern, validation, CHALLENGE)


def test_a_shard_in_both_splits_is_refused(tmp_path):
    write_shard(tmp_path / "a.bin", ARRAYS["tokens"])
    with pytest.raises(ShardError, match=r"a\.bin: is a training and a validation shard"):
        from_shards(f"{tmp_path}/*.bin", f"{tmp_path}/a.bin", CHALLENGE)


@examples(30)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), min_size=2, max_size=6))
def test_bytes_of_any_text_are_counted_exactly_with_and_without_an_opening_token(texts):
    documents = tuple(Document(f"d{index}", text) for index, text in enumerate(texts))
    corpus = Corpus(documents[:1], documents[1:], "", ())
    for vocab_size in (256, 257, 300):
        tokenizer = ByteTokenizer.for_vocabulary(vocab_size)
        data = from_corpus(corpus, tokenizer, vocab_size)
        text = "".join(texts[1:]).encode()
        assert data.validation_bytes == len(text) == data.byte_table.total(data.validation)
        assert data.byte_table.target_text(data.validation) == text == data.validation_text
        assert len(data.validation) == 1 + len(text) + (len(texts) - 2 if data.bos_id is not None else 0)
