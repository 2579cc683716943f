"""Trained tokenizers kept on disk under a hash of everything they were trained from."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..atomic_file import write_atomically
from .errors import TokenizerError
from .events import DataEvent
from .tokenizer import DEFAULT_SAMPLE_BYTES, Tokenizer, training_key

DIGEST_LENGTH = 64  # an entry is the SHA-256 of the model in hexadecimal, a line end, the model


def default_cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """`$LOOPSPEC_CACHE`, else `$XDG_CACHE_HOME/loopspec`, else `~/.cache/loopspec`."""
    if chosen := environment.get("LOOPSPEC_CACHE"):
        return Path(chosen)
    if base := environment.get("XDG_CACHE_HOME"):
        return Path(base) / "loopspec"
    return Path("~/.cache/loopspec").expanduser()


def cached_tokenizer(
    texts: Sequence[str], vocab_size: int, sample_bytes: int = DEFAULT_SAMPLE_BYTES, folder: Path | None = None
) -> tuple[Tokenizer, tuple[DataEvent, ...]]:
    """The tokenizer that `Tokenizer.train` gives, from the cache `folder` (see `default_cache_folder`) if it is there.

    Returns the tokenizer and what happened: `tokenizer_cached` or `tokenizer_trained`, and `tokenizer_cache_damaged`,
    `tokenizer_cache_unreadable` or `tokenizer_cache_unwritable`, after which the tokenizer is trained all the same.

    Raises:
        TokenizerError: see `Tokenizer.train`.
    """
    key = training_key(texts, vocab_size, sample_bytes)
    path = (folder if folder is not None else default_cache_folder()) / f"tokenizer-{key[:32]}.entry"
    found, events = _read(path)
    if found is not None:
        return found, events
    tokenizer = Tokenizer.train(texts, vocab_size, sample_bytes)
    trained = DataEvent("tokenizer_trained", f"trained a tokenizer of {vocab_size} pieces")
    return tokenizer, (*events, trained, *_write(path, tokenizer.model_bytes))


def _read(path: Path) -> tuple[Tokenizer | None, tuple[DataEvent, ...]]:
    try:
        entry = path.read_bytes()
    except FileNotFoundError:
        return None, ()
    except OSError as error:
        return None, (DataEvent("tokenizer_cache_unreadable", f"{path}: {error.strerror}; going on without the cache"),)
    digest, model = entry[:DIGEST_LENGTH], entry[DIGEST_LENGTH + 1 :]
    damaged = (DataEvent("tokenizer_cache_damaged", f"{path}: damaged cache entry, trained anew"),)
    if hashlib.sha256(model).hexdigest().encode() != digest:
        return None, damaged
    try:
        tokenizer = Tokenizer(model, str(path))
    except TokenizerError:
        return None, damaged
    return tokenizer, (DataEvent("tokenizer_cached", f"tokenizer taken from {path}"),)


def _write(path: Path, model: bytes) -> tuple[DataEvent, ...]:
    digest = hashlib.sha256(model).hexdigest().encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (digest, b"\n", model))
    except OSError as error:
        message = (
            f"{path.parent}: {error.strerror}; the tokenizer is not cached (set LOOPSPEC_CACHE to a writable folder)"
        )
        return (DataEvent("tokenizer_cache_unwritable", message),)
    return ()
