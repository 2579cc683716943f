"""The tokenizer cache: hits, damage, and folders that cannot be used."""

import hashlib
from pathlib import Path

import pytest

from loopspec.runtime.data.corpus import standard_library_corpus
from loopspec.runtime.data.tokenizer_cache import cached_tokenizer, default_cache_folder

TEXTS = [document.text for document in standard_library_corpus().validation]
VOCAB_SIZE = 380


def kinds(events):
    return [event.kind for event in events]


def entry_in(folder: Path) -> Path:
    (entry,) = folder.iterdir()  # exactly one file: no temporary is left behind
    return entry


def test_second_call_takes_the_cached_model(tmp_path):
    trained, first = cached_tokenizer(TEXTS, VOCAB_SIZE, folder=tmp_path / "new" / "cache")
    cached, second = cached_tokenizer(TEXTS, VOCAB_SIZE, folder=tmp_path / "new" / "cache")
    assert (kinds(first), kinds(second)) == (["tokenizer_trained"], ["tokenizer_cached"])
    assert cached.model_bytes == trained.model_bytes


def test_other_texts_are_trained_anew(tmp_path):
    cached_tokenizer(TEXTS, VOCAB_SIZE, folder=tmp_path)
    _, events = cached_tokenizer(TEXTS[1:], VOCAB_SIZE, folder=tmp_path)
    assert kinds(events) == ["tokenizer_trained"]


@pytest.mark.parametrize("damage", ["digest", "model", "truncated", "empty", "forged"])
def test_a_damaged_entry_is_reported_and_rebuilt(tmp_path, damage):
    trained, _ = cached_tokenizer(TEXTS, VOCAB_SIZE, folder=tmp_path)
    entry = entry_in(tmp_path)
    content = bytearray(entry.read_bytes())
    if damage == "digest":
        content[3] ^= 1
    elif damage == "model":
        content[-7] ^= 1
    elif damage == "forged":  # a right digest of something that is no model
        content = bytearray(hashlib.sha256(b"no model").hexdigest().encode() + b"\nno model")
    entry.write_bytes(bytes(content[: {"truncated": 500, "empty": 0}.get(damage, len(content))]))
    rebuilt, events = cached_tokenizer(TEXTS, VOCAB_SIZE, folder=tmp_path)
    assert kinds(events) == ["tokenizer_cache_damaged", "tokenizer_trained"]
    assert str(entry) in events[0].message
    assert rebuilt.model_bytes == trained.model_bytes
    assert kinds(cached_tokenizer(TEXTS, VOCAB_SIZE, folder=tmp_path)[1]) == ["tokenizer_cached"]


def test_an_unusable_folder_is_reported_and_done_without(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    tokenizer, events = cached_tokenizer(TEXTS, VOCAB_SIZE, folder=blocker / "cache")
    assert tokenizer.vocab_size == VOCAB_SIZE
    assert kinds(events) == ["tokenizer_cache_unreadable", "tokenizer_trained", "tokenizer_cache_unwritable"]
    assert "LOOPSPEC_CACHE" in events[-1].message


def test_cache_folder_by_environment():
    both = {"LOOPSPEC_CACHE": "/a", "XDG_CACHE_HOME": "/b"}
    assert default_cache_folder(both) == Path("/a")
    assert default_cache_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/loopspec")
    assert default_cache_folder({"LOOPSPEC_CACHE": ""}) == Path.home() / ".cache" / "loopspec"
