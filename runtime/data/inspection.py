"""What is in shards and text files: counts, the first text, and every problem, without stopping at the first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .byte_table import ByteTable, assert_bytes_match
from .corpus import Document
from .errors import DataError, ShardError
from .shards import SCAN_TOKENS, read_shard
from .text_tokenizer import TextTokenizer
from .tokenizer import MAX_VOCAB_SIZE, TokenArray

FIRST_TOKENS = 64
FIRST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class FileReport:
    """One shard. `documents` and `text_bytes` need a tokenizer; a problem leaves out what could not be counted."""

    path: str
    bytes: int
    tokens: int = 0
    documents: int | None = None
    distinct_tokens: int = 0
    highest_token: int | None = None
    text_bytes: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ShardsReport:
    """Shards together; `vocabulary` is the tokenizer's size, `first_text` or else `first_tokens` how they begin."""

    files: tuple[FileReport, ...]
    tokens: int
    documents: int | None
    distinct_tokens: int
    vocabulary: int | None
    text_bytes: int | None
    first_tokens: tuple[int, ...]
    first_text: str | None

    @property
    def problems(self) -> tuple[str, ...]:
        """One line each."""
        return tuple(file.problem for file in self.files if file.problem is not None)


@dataclass(slots=True)
class _Seen:
    """How often each token occurs over all shards."""

    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(MAX_VOCAB_SIZE, np.int64))
    first: TokenArray | None = None


def inspect_shards(paths: Sequence[Path], tokenizer: TextTokenizer | None = None) -> ShardsReport:
    """Read all tokens of all shards; what is wrong with a shard is its `problem`, and the others are read all the same.

    A shard's `text_bytes` are the challenge's count of all its tokens, the first included.
    """
    table = None if tokenizer is None else ByteTable.from_tokenizer(tokenizer, dummy_prefix=True)
    seen = _Seen()
    files = tuple(_inspect(path, tokenizer, table, seen) for path in paths)
    first = np.array([], np.uint16) if seen.first is None else seen.first
    return ShardsReport(
        files=files,
        tokens=sum(file.tokens for file in files),
        documents=None if tokenizer is None or tokenizer.bos_id is None else sum(file.documents or 0 for file in files),
        distinct_tokens=int(np.count_nonzero(seen.counts)),
        vocabulary=None if tokenizer is None else tokenizer.vocab_size,
        text_bytes=None if tokenizer is None else sum(file.text_bytes or 0 for file in files),
        first_tokens=tuple(first[:FIRST_TOKENS].tolist()),
        first_text=None if tokenizer is None else _first_text(first, tokenizer),
    )


def _inspect(path: Path, tokenizer: TextTokenizer | None, table: ByteTable | None, seen: _Seen) -> FileReport:
    try:
        size = path.stat().st_size
    except OSError as error:
        return FileReport(str(path), 0, problem=f"{path}: cannot be read: {error.strerror}; check the path")
    try:
        tokens = read_shard(path)
    except ShardError as error:
        return FileReport(str(path), size, problem=str(error))
    counts = sum(
        (
            np.bincount(tokens[at : at + SCAN_TOKENS], minlength=MAX_VOCAB_SIZE)
            for at in range(0, len(tokens), SCAN_TOKENS)
        ),
        start=np.zeros(MAX_VOCAB_SIZE, np.int64),
    )
    seen.counts += counts
    seen.first = tokens[:FIRST_TOKENS] if seen.first is None else seen.first
    problem = None if tokenizer is None else _beyond(path, tokenizer.vocab_size)
    bos_id = None if tokenizer is None else tokenizer.bos_id
    return FileReport(
        path=str(path),
        bytes=size,
        tokens=len(tokens),
        documents=None if bos_id is None else int(counts[bos_id]),
        distinct_tokens=int(np.count_nonzero(counts)),
        highest_token=int(np.flatnonzero(counts)[-1]),
        text_bytes=None if table is None or problem is not None else _text_bytes(tokens, table),
        problem=problem,
    )


def _text_bytes(tokens: TokenArray, table: ByteTable) -> int:
    """Bytes of all tokens; the first, which `total` takes for context, may be the middle of a document."""
    first = int(tokens[0])
    return table.total(tokens) + int(table.base_bytes[first]) + int(table.has_leading_space[first])


def _beyond(path: Path, vocab_size: int) -> str | None:
    """The message about a token beyond the vocabulary, if there is one."""
    try:
        read_shard(path, vocab_size)
    except DataError as error:
        return str(error)
    return None


def _first_text(tokens: TokenArray, tokenizer: TextTokenizer) -> str | None:
    """How the first shard begins, or None where it holds tokens that the tokenizer does not know."""
    if len(tokens) and int(tokens.max()) >= tokenizer.vocab_size:
        return None
    return tokenizer.decode(tokens)[:FIRST_CHARACTERS]


@dataclass(frozen=True, slots=True)
class TextReport:
    """Documents together; what needs a tokenizer is None without one."""

    documents: int
    text_bytes: int
    tokens: int | None
    distinct_tokens: int | None
    vocabulary: int | None
    first_text: str | None


def inspect_documents(documents: Sequence[Document], tokenizer: TextTokenizer | None = None) -> TextReport:
    """Count documents, their bytes and, by a tokenizer, their tokens without those that open them.

    Raises:
        ByteAccountingError: the tokenizer changes some document.
    """
    arrays: list[TokenArray] = []
    if tokenizer is not None:
        arrays = tokenizer.encode_documents([document.text for document in documents])
        assert_bytes_match(documents, arrays, ByteTable.from_tokenizer(tokenizer), tokenizer.opening_id)
    return TextReport(
        documents=len(documents),
        text_bytes=sum(len(document.text.encode()) for document in documents),
        tokens=None if tokenizer is None else sum(len(array) for array in arrays),
        distinct_tokens=None if tokenizer is None else len(np.unique(np.concatenate(arrays))),
        vocabulary=None if tokenizer is None else tokenizer.vocab_size,
        first_text=documents[0].text[:FIRST_CHARACTERS] if documents else None,
    )
