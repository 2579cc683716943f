"""Everything that training and evaluation need to know about their data, from the embedded corpus or from shards."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .byte_table import ByteTable, assert_bytes_match
from .corpus import Corpus, Document
from .errors import ShardError
from .events import DataEvent
from .shards import expand_shards, read_shard
from .token_stream import TokenStream
from .tokenizer import TokenArray, Tokenizer

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
        corpus_sha256: of the corpus; for shards the same as `validation_sha256`: hashing all of them takes minutes.
        validation_sha256: of `validation` as little-endian uint16.
        description: one line for people.
        events: what happened on the way, to be printed.
    """

    train: TokenStream
    validation: TokenArray
    validation_bytes: int
    validation_text: bytes | None
    byte_table: ByteTable
    tokenizer: Tokenizer
    corpus_sha256: str
    validation_sha256: str
    description: str
    events: tuple[DataEvent, ...]


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


def from_corpus(corpus: Corpus, tokenizer: Tokenizer, vocab_size: int | None = None) -> TokenData:
    """Tokenize a corpus: documents in order, a beginning-of-document token before each.

    Raises:
        ByteAccountingError: some document's tokens do not stand for exactly its bytes.
    """
    validation = validation_from_corpus(corpus, tokenizer, vocab_size)
    train = _tokenize(corpus.train, tokenizer, validation.byte_table)
    skipped = sorted(corpus.skipped_counts.items())
    listed = ", ".join(f"{count} {reason}" for reason, count in skipped)
    message = f"left out of the corpus: {sum(count for _, count in skipped)} files ({listed})"
    events = (DataEvent("corpus_skipped", message),) if skipped else ()
    description = (
        f"embedded corpus {corpus.sha256[:12]}: {len(corpus.train)} files, {len(train)} tokens to train on; "
        f"{validation.description}"
    )
    return TokenData(
        train=TokenStream([train]),
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


def validation_from_corpus(corpus: Corpus, tokenizer: Tokenizer, vocab_size: int | None = None) -> ValidationData:
    """Tokenize the validation documents of a corpus only; raises as `from_corpus`."""
    table = ByteTable.from_tokenizer(tokenizer, vocab_size)
    tokens = _tokenize(corpus.validation, tokenizer, table)
    size = sum(len(document.text.encode()) for document in corpus.validation)
    description = f"{len(corpus.validation)} files, {len(tokens)} tokens, {size} bytes to validate on"
    return ValidationData(tokens, size, table, tokens_sha256(tokens), description)


def from_shards(
    train_pattern: str, validation_pattern: str, tokenizer: Tokenizer, vocab_size: int | None = None
) -> TokenData:
    """Map the challenge's shards; validation bytes are counted by the challenge's table, to the letter.

    `vocab_size`: the model's, if it is larger than the tokenizer's; a token beyond both is an error.

    Raises:
        ShardError: see `read_shard`, `expand_shards` and `validation_from_shards`.
    """
    validation = validation_from_shards(validation_pattern, tokenizer, vocab_size)
    limit = len(validation.byte_table.base_bytes)
    train = TokenStream([read_shard(path, limit) for path in expand_shards(train_pattern)])
    text, events = _decode(validation.tokens, validation.byte_table)
    return TokenData(
        train=train,
        validation=validation.tokens,
        validation_bytes=validation.bytes,
        validation_text=text,
        byte_table=validation.byte_table,
        tokenizer=tokenizer,
        corpus_sha256=validation.sha256,
        validation_sha256=validation.sha256,
        description=f"shards {train_pattern}: {len(train)} tokens to train on; {validation.description}",
        events=events,
    )


def validation_from_shards(pattern: str, tokenizer: Tokenizer, vocab_size: int | None = None) -> ValidationData:
    """Read the validation shards only; `vocab_size` as for `from_shards`.

    Raises:
        ShardError: see `read_shard` and `expand_shards`; or nothing in the shards can be scored.
    """
    table = ByteTable.from_tokenizer(tokenizer, vocab_size, dummy_prefix=True)
    tokens = np.concatenate([read_shard(path, len(table.base_bytes)) for path in expand_shards(pattern)])
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


def _tokenize(documents: Sequence[Document], tokenizer: Tokenizer, table: ByteTable) -> TokenArray:
    arrays = tokenizer.encode_documents([document.text for document in documents])
    assert_bytes_match(documents, arrays, table, tokenizer.bos_id)
    opening = np.array([tokenizer.bos_id], dtype=np.uint16)
    return np.concatenate(list(itertools.chain.from_iterable((opening, array) for array in arrays)))


def _decode(validation: TokenArray, table: ByteTable) -> tuple[bytes | None, tuple[DataEvent, ...]]:
    if len(validation) > MAX_DECODED_TOKENS:
        message = f"validation text not decoded: {len(validation)} tokens are over {MAX_DECODED_TOKENS}"
        return None, (DataEvent("validation_text_missing", message),)
    text = table.target_text(validation)
    if text is None:
        message = "validation text not decoded: some tokens stand for no known text"
        return None, (DataEvent("validation_text_missing", message),)
    return text, ()
