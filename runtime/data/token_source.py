"""Everything that training and evaluation need to know about their data, from a corpus or from shards."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .byte_table import ByteTable, assert_bytes_match
from .corpus import Corpus, Document
from .errors import ShardError
from .events import DataEvent
from .shard_checks import Progress, check_shards
from .shards import expand_shards, read_shard
from .text_tokenizer import TextTokenizer
from .token_stream import TokenStream
from .tokenizer import TokenArray

MAX_DECODED_TOKENS = 8_000_000  # the text of more validation tokens is only wanted for yardsticks, and costs minutes


@dataclass(frozen=True, slots=True, eq=False)
class TokenData:
    """Tokens for training and validation and the means to score them.

    Attributes:
        train: the training tokens as one stream.
        validation: tokens (n + 1,): the first only precedes, the other n are targets.
        validation_bytes: bytes of text that the n targets stand for.
        validation_text: those bytes, or None (an event says why).
        byte_table: bytes by token.
        tokenizer: what made the tokens.
        corpus_sha256: of the corpus; for shards of names, sizes, headers and ends of the training shards, see
            `shards_sha256`, and of the validation tokens: hashing all of them takes minutes.
        validation_sha256: of `validation` as little-endian uint16.
        description: one line for people.
        events: what happened on the way, to be printed.
    """

    train: TokenStream
    validation: TokenArray
    validation_bytes: int
    validation_text: bytes | None
    byte_table: ByteTable
    tokenizer: TextTokenizer
    corpus_sha256: str
    validation_sha256: str
    description: str
    events: tuple[DataEvent, ...]

    @property
    def bos_id(self) -> int | None:
        """The token that opens every document, if the tokenizer has one."""
        return self.tokenizer.bos_id


@dataclass(frozen=True, slots=True, eq=False)
class ValidationData:
    """The validation split alone: what a score needs. See `TokenData` for the fields of the same sense.

    Attributes:
        tokens: (n + 1,): the first only precedes, the other n are targets.
        bytes: of text that the n targets stand for.
    """

    tokens: TokenArray
    bytes: int
    byte_table: ByteTable
    sha256: str
    description: str


def from_corpus(corpus: Corpus, tokenizer: TextTokenizer, vocab_size: int | None = None) -> TokenData:
    """Tokenize a corpus: documents in order, a beginning-of-document token before each if the tokenizer has one.

    Raises:
        ByteAccountingError: some document's tokens do not stand for exactly its bytes.
    """
    validation = validation_from_corpus(corpus, tokenizer, vocab_size)
    train = tokenize(corpus.train, tokenizer, validation.byte_table)
    skipped = sorted(corpus.skipped_counts.items())
    listed = ", ".join(f"{count} {reason}" for reason, count in skipped)
    message = f"left out of the corpus: {sum(count for _, count in skipped)} files ({listed})"
    events = (DataEvent("corpus_skipped", message), *corpus.events) if skipped else corpus.events
    description = (
        f"{corpus.name} {corpus.sha256[:12]}: {len(corpus.train)} files, {len(train)} tokens to train on; "
        f"{validation.description}"
    )
    return TokenData(
        train=TokenStream([train], tokenizer.vocab_size),
        validation=validation.tokens,
        validation_bytes=validation.bytes,
        validation_text="".join(document.text for document in corpus.validation).encode(),
        byte_table=validation.byte_table,
        tokenizer=tokenizer,
        corpus_sha256=corpus.sha256,
        validation_sha256=validation.sha256,
        description=description,
        events=events,
    )


def validation_from_corpus(corpus: Corpus, tokenizer: TextTokenizer, vocab_size: int | None = None) -> ValidationData:
    """Tokenize the validation documents of a corpus only; raises as `from_corpus`."""
    table = ByteTable.from_tokenizer(tokenizer, vocab_size)
    tokens = tokenize(corpus.validation, tokenizer, table)
    size = sum(len(document.text.encode()) for document in corpus.validation)
    description = f"{len(corpus.validation)} files, {len(tokens)} tokens, {size} bytes to validate on"
    return ValidationData(tokens, size, table, tokens_sha256(tokens), description)


def from_shards(
    train_pattern: str,
    validation_pattern: str,
    tokenizer: TextTokenizer,
    vocab_size: int | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> TokenData:
    """Map the challenge's shards; validation bytes are counted by the challenge's table, to the letter.

    `vocab_size`: the model's, if it is larger than the tokenizer's: the length of the byte table. With `limit` only so
    many training shards are used, and looked at. `progress` is told shards checked and their number.

    Raises:
        ShardError: see `check_shards`, `expand_shards` and `validation_from_shards`; or a shard is in both splits.
    """
    paths, limited = _training_shards(train_pattern, validation_pattern, limit)
    validation = validation_from_shards(validation_pattern, tokenizer, vocab_size)
    shards = check_shards(paths, tokenizer.vocab_size, progress)
    train = TokenStream(shards.arrays, tokenizer.vocab_size)
    text, events = _decode(validation.tokens, validation.byte_table)
    return TokenData(
        train=train,
        validation=validation.tokens,
        validation_bytes=validation.bytes,
        validation_text=text,
        byte_table=validation.byte_table,
        tokenizer=tokenizer,
        corpus_sha256=hashlib.sha256(f"{shards.sha256} {validation.sha256}".encode()).hexdigest(),
        validation_sha256=validation.sha256,
        description=f"shards {train_pattern}: {len(train)} tokens to train on; {validation.description}",
        events=(*limited, *shards.events, *events),
    )


def validation_from_shards(pattern: str, tokenizer: TextTokenizer, vocab_size: int | None = None) -> ValidationData:
    """Read the validation shards only; `vocab_size` as for `from_shards`.

    Raises:
        ShardError: see `read_shard` and `expand_shards`; or nothing in the shards can be scored.
    """
    table = ByteTable.from_tokenizer(tokenizer, vocab_size, dummy_prefix=True)
    tokens = np.concatenate([read_shard(path, tokenizer.vocab_size) for path in expand_shards(pattern)])
    size = table.total(tokens)
    if size < 1:
        raise ShardError(
            f"{pattern}: nothing to score: {len(tokens)} tokens, of which the first only precedes, stand for {size} "
            "bytes of text; give validation shards with more text"
        )
    description = f"{pattern}: {len(tokens)} tokens, {size} bytes to validate on"
    return ValidationData(tokens, size, table, tokens_sha256(tokens), description)


def tokens_sha256(tokens: TokenArray) -> str:
    """Hexadecimal sha256 over tokens (n,) as little-endian uint16, the body of a shard that holds them."""
    return hashlib.sha256(np.ascontiguousarray(tokens, dtype="<u2").data).hexdigest()


def tokenize(documents: Sequence[Document], tokenizer: TextTokenizer, table: ByteTable) -> TokenArray:
    """Tokens (n + 1,) that stand for exactly the documents' bytes; the first only precedes.

    Raises:
        ByteAccountingError: some document's tokens do not stand for exactly its bytes.
    """
    arrays = tokenizer.encode_documents([document.text for document in documents])
    assert_bytes_match(documents, arrays, table, tokenizer.opening_id)
    opening = np.array([tokenizer.opening_id], dtype=np.uint16)
    if tokenizer.bos_id is None:  # an opening before each document would count as text of its own
        return np.concatenate((opening, *arrays))
    return np.concatenate(list(itertools.chain.from_iterable((opening, array) for array in arrays)))


def _training_shards(
    train_pattern: str, validation_pattern: str, limit: int | None
) -> tuple[list[Path], tuple[DataEvent, ...]]:
    """The training shards in order of their names, and a word where not all of them are used."""
    found = expand_shards(train_pattern)
    both = set(found) & set(expand_shards(validation_pattern))
    if both:
        raise ShardError(f"{min(both)}: is a training and a validation shard; give globs that have no file in common")
    if limit is None:
        return found, ()
    message = f"training on the first {min(limit, len(found))} of {len(found)} shards (data.source.limit {limit})"
    return found[:limit], (DataEvent("shards_limited", message),)


def _decode(validation: TokenArray, table: ByteTable) -> tuple[bytes | None, tuple[DataEvent, ...]]:
    if len(validation) > MAX_DECODED_TOKENS:
        message = f"validation text not decoded: {len(validation)} tokens are over {MAX_DECODED_TOKENS}"
        return None, (DataEvent("validation_text_missing", message),)
    text = table.target_text(validation)
    if text is None:
        message = "validation text not decoded: some tokens stand for no known text"
        return None, (DataEvent("validation_text_missing", message),)
    return text, ()
