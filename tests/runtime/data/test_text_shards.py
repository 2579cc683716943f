"""Text packed into shards."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from loopspec.runtime.data.byte_tokenizer import ByteTokenizer
from loopspec.runtime.data.corpus import Corpus, Document
from loopspec.runtime.data.errors import PackError
from loopspec.runtime.data.inspection import inspect_documents, inspect_shards
from loopspec.runtime.data.shards import read_shard
from loopspec.runtime.data.text_shards import pack_text
from loopspec.runtime.data.token_source import from_shards
from loopspec.runtime.data.tokenizer import Tokenizer

TEXTS = [f"text number {index}: " + "the river runs past the mill\n" * 20 for index in range(8)]
CORPUS = Corpus(
    tuple(Document(f"t{index}", text) for index, text in enumerate(TEXTS[:6])),
    tuple(Document(f"v{index}", text) for index, text in enumerate(TEXTS[6:])),
    "",
    (),
)
BYTES = ByteTokenizer.for_vocabulary(257)
OWN = Tokenizer.train(TEXTS, 300)


@pytest.mark.parametrize("tokenizer", [BYTES, OWN], ids=["bytes", "sentencepiece"])
def test_shards_hold_the_text_and_score_its_exact_bytes(tmp_path, tokenizer):
    folder = tmp_path / "shards"
    packed = pack_text(CORPUS, tokenizer, folder, 100)
    data = from_shards(f"{folder}/train_*.bin", f"{folder}/val_*.bin", tokenizer)
    assert (len(data.train), len(data.validation)) == (packed.train_tokens, packed.validation_tokens)
    assert data.validation_text == "".join(TEXTS[6:]).encode() and data.validation_bytes == packed.validation_bytes
    shards = [read_shard(path) for path in sorted(folder.glob("train_*.bin"))]
    assert [len(shard) for shard in shards[:-1]] == [100] * (packed.train_shards - 1)
    tokens = np.concatenate(shards)
    parts = np.split(tokens, np.flatnonzero(tokens == tokenizer.bos_id))[1:]
    assert [tokenizer.decode(part[1:]) for part in parts] == TEXTS[:6]
    assert packed.uncounted_bytes == 0
    assert (folder / "tokenizer.model").exists() == (tokenizer is OWN)


def test_the_same_text_gives_the_same_bytes(tmp_path):
    digests = []
    for name in ("a", "b"):
        pack_text(CORPUS, OWN, tmp_path / name, 100)
        content = [(path.name, path.read_bytes()) for path in sorted((tmp_path / name).iterdir())]
        digests.append(hashlib.sha256(repr(content).encode()).hexdigest())
    assert digests[0] == digests[1]


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(PackError, match="full exists already"):
        pack_text(CORPUS, BYTES, tmp_path / "full", 100)
    (tmp_path / "empty").mkdir()
    pack_text(CORPUS, BYTES, tmp_path / "empty", 10_000)
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        pack_text(CORPUS, BYTES, tmp_path / "new", 10_000)
    assert {path.name for path in tmp_path.iterdir()} == {"full", "empty"}


def test_spaces_that_the_challenge_does_not_count_are_counted(tmp_path):
    documents = (Document("v", " begins with a space"), Document("w", "no space"))
    corpus = Corpus(CORPUS.train, documents, "", ())
    assert pack_text(corpus, OWN, tmp_path / "own", 10_000).uncounted_bytes == 1
    assert pack_text(corpus, BYTES, tmp_path / "bytes", 10_000).uncounted_bytes == 0


def test_a_tokenizer_without_an_opening_token_is_refused(tmp_path):
    with pytest.raises(PackError, match="257 byte values"):
        pack_text(CORPUS, ByteTokenizer.for_vocabulary(256), tmp_path / "x", 100)


@pytest.mark.parametrize("tokenizer", [BYTES, OWN], ids=["bytes", "sentencepiece"])
def test_inspection_counts_what_was_packed(tmp_path, tokenizer):
    pack_text(CORPUS, tokenizer, tmp_path / "s", 100)
    paths = sorted((tmp_path / "s").glob("train_*.bin"))
    report = inspect_shards(paths, tokenizer)
    assert report.problems == () and report.documents == 6 and report.vocabulary == tokenizer.vocab_size
    assert report.text_bytes == len("".join(TEXTS[:6]).encode())
    assert TEXTS[0].startswith(report.first_text) and report.first_tokens[0] == tokenizer.bos_id
    tokens = np.concatenate([read_shard(path) for path in paths])
    assert (report.tokens, report.distinct_tokens) == (len(tokens), len(np.unique(tokens)))
    of_text = inspect_documents(CORPUS.train, tokenizer)
    assert (of_text.tokens, of_text.text_bytes) == (len(tokens) - 6, report.text_bytes)
    blind = inspect_shards(paths)
    assert (blind.documents, blind.text_bytes, blind.first_text) == (None, None, None)
    assert blind.first_tokens == report.first_tokens


def test_inspection_goes_on_after_a_problem(tmp_path):
    pack_text(CORPUS, OWN, tmp_path / "s", 100)
    paths = sorted((tmp_path / "s").glob("train_*.bin"))[:2]
    paths[0].write_bytes(paths[0].read_bytes()[:-1])
    report = inspect_shards([*paths, tmp_path / "none.bin"], BYTES)
    assert [problem.split(": ")[1] for problem in report.problems][:1] == ["byte 1223"]
    assert "beyond the tokenizer's vocabulary of 257" in report.problems[1] and "none.bin" in report.problems[2]
    assert report.tokens == 100 and report.first_text is None
