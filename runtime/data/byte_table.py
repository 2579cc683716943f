"""Bytes of text that each token stands for, so that a loss per token becomes bits per byte of the original text.

The rule is the challenge's (parameter-golf `train_gpt.py`, `build_sentencepiece_luts`): a target counts the UTF-8 bytes
of its piece without the leading space, and one more if the piece has a leading space and the previous token is no
boundary. A space inside a piece is stored as U+2581, three bytes, but is one byte of text: counted as one here, which
changes nothing for the challenge's tokenizers, which have no such piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .corpus import SENTENCEPIECE_SPACE, Document
from .errors import ByteAccountingError
from .text_tokenizer import TextTokenizer
from .tokenizer import PieceKind, TokenArray

IntegerArray = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class ByteTable:
    """Per token (V,): bytes without the leading space; whether there is one; whether it is not text after this token.

    `text` holds the bytes themselves, leading space included: empty for control tokens, None where nothing can be said
    (unknown, unused, beyond the tokenizer).
    """

    base_bytes: npt.NDArray[np.int16]
    has_leading_space: npt.NDArray[np.bool_]
    is_boundary: npt.NDArray[np.bool_]
    text: tuple[bytes | None, ...]

    @classmethod
    def from_tokenizer(
        cls, tokenizer: TextTokenizer, vocab_size: int | None = None, dummy_prefix: bool | None = None
    ) -> "ByteTable":
        """The table for max(tokenizer's, `vocab_size`) tokens; ids beyond the tokenizer: 0 bytes, boundary.

        `dummy_prefix`: whether a document's first leading space was put there by the tokenizer and is not counted.
        Default: as the tokenizer does. The challenge's table always takes it so: True gives that to the letter.
        """
        size = max(tokenizer.vocab_size, vocab_size or 0)
        own_space = tokenizer.has_dummy_prefix if dummy_prefix is None else dummy_prefix
        kinds = [tokenizer.kind(token) for token in range(size)]
        text = tuple(_piece_text(tokenizer, token, kind) for token, kind in enumerate(kinds))
        leading = [kind == "text" and _has_leading_space(tokenizer, token) for token, kind in enumerate(kinds)]
        base = [len(piece or b"") - space for piece, space in zip(text, leading, strict=True)]
        boundary = [own_space and kind not in ("text", "byte") for kind in kinds]
        return cls(np.array(base, np.int16), np.array(leading, np.bool_), np.array(boundary, np.bool_), text)

    def count(self, previous: IntegerArray, targets: IntegerArray) -> npt.NDArray[np.int64]:
        """Bytes of each target given the token before it; any equal shapes."""
        space = self.has_leading_space[targets] & ~self.is_boundary[previous]
        return self.base_bytes[targets].astype(np.int64) + space

    def total(self, tokens: IntegerArray) -> int:
        """Bytes of all targets of a stream (n + 1,): every token but the first, which only precedes."""
        block = 1 << 22  # bounds memory on a stream of many million tokens
        starts = range(0, len(tokens) - 1, block)
        return sum(
            int(self.count(part[:-1], part[1:]).sum())
            for part in (tokens[start : start + block + 1] for start in starts)
        )

    def target_text(self, tokens: IntegerArray) -> bytes | None:
        """The very bytes that `total` counts, or None if some target's text is not known (see `text`)."""
        pieces: list[bytes] = []
        previous = int(tokens[0]) if len(tokens) else 0
        for target in tokens[1:].tolist():
            piece = self.target_piece(previous, target)
            if piece is None:
                return None
            pieces.append(piece)
            previous = target
        return b"".join(pieces)

    def target_piece(self, previous: int, target: int) -> bytes | None:
        """The bytes that one target stands for after `previous`."""
        piece = self.text[target]
        if piece is not None and self.has_leading_space[target] and self.is_boundary[previous]:
            return piece[1:]
        return piece


def assert_bytes_match(
    documents: Sequence[Document], tokens: Sequence[TokenArray], table: ByteTable, opening_id: int
) -> int:
    """Check each document's tokens (without an `opening_id`, which precedes them) against its UTF-8 length.

    Returns the number of bytes of all documents.

    Raises:
        ByteAccountingError: names the document and the first place where count and text depart.
    """
    total = 0
    for document, array in zip(documents, tokens, strict=True):
        text = document.text.encode()
        stream = np.concatenate((np.array([opening_id], dtype=np.uint16), array))
        if table.total(stream) != len(text):
            raise ByteAccountingError(_departure(document.name, text, stream, table))
        total += len(text)
    return total


def _has_leading_space(tokenizer: TextTokenizer, token: int) -> bool:
    return tokenizer.piece(token).startswith(SENTENCEPIECE_SPACE)


def _piece_text(tokenizer: TextTokenizer, token: int, kind: PieceKind) -> bytes | None:
    if kind == "control":
        return b""
    if kind == "byte":
        return bytes([int(tokenizer.piece(token)[3:5], 16)])  # stored as <0xHH>
    if kind == "text":
        return tokenizer.piece(token).replace(SENTENCEPIECE_SPACE, " ").encode()
    return None


def _departure(name: str, text: bytes, stream: TokenArray, table: ByteTable) -> str:
    """Say where the tokens first stand for something else than the text."""
    mend = "the tokenizer changes this text: use one with identity normalisation, or leave the document out"
    place = 0
    agreed = 0
    for previous, target in pairwise(stream.tolist()):
        piece = table.target_piece(previous, target)
        if piece is None or text[place : place + len(piece)] != piece:
            break
        place += len(piece)
        agreed += 1
    count = table.total(stream)
    return (
        f"{name}: the byte table counts {count} bytes, the text has {len(text)}; first departure at byte {place} "
        f"(token {agreed}), near {text[place : place + 16]!r}; {mend}"
    )
