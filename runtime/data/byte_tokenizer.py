"""Bytes as tokens: nothing to train, nothing to embed, and no text that it changes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import TokenizerError
from .tokenizer import PieceKind, TokenArray

BYTE_VALUES = 256
LINE_END = 10


@dataclass(frozen=True, slots=True)
class ByteTokenizer:
    """Token n is byte n of the UTF-8 text; token 256 opens documents, where the vocabulary has room for it."""

    bos_id: int | None

    @classmethod
    def for_vocabulary(cls, vocab_size: int) -> "ByteTokenizer":
        """The tokenizer of a model with so many rows.

        Raises:
            TokenizerError: they are fewer than a byte has values.
        """
        if vocab_size < BYTE_VALUES:
            raise TokenizerError(
                f"a tokenizer of bytes needs {BYTE_VALUES} rows, model.vocab_size is {vocab_size}; use 257"
            )
        return cls(BYTE_VALUES if vocab_size > BYTE_VALUES else None)

    @property
    def vocab_size(self) -> int:
        """257, or 256 without a token that opens documents."""
        return BYTE_VALUES + (self.bos_id is not None)

    @property
    def opening_id(self) -> int:
        """What precedes a text: the opening token, or a line end."""
        return LINE_END if self.bos_id is None else self.bos_id

    @property
    def model_bytes(self) -> bytes:
        """None: there is nothing to embed."""
        return b""

    @property
    def sha256(self) -> str:
        """Of the definition."""
        return hashlib.sha256(f"bytes {self.vocab_size}".encode()).hexdigest()

    @property
    def has_dummy_prefix(self) -> bool:
        """Never."""
        return False

    def encode(self, text: str) -> TokenArray:
        """Tokens (bytes of the text,)."""
        return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.uint16)

    def encode_documents(self, texts: Sequence[str]) -> list[TokenArray]:
        """Tokens of each text."""
        return [self.encode(text) for text in texts]

    def decode(self, tokens: TokenArray) -> str:
        """The text; bytes that are not UTF-8, as where a character was cut, become U+FFFD."""
        values = tokens[tokens < BYTE_VALUES].astype(np.uint8)
        return values.tobytes().decode("utf-8", errors="replace")

    def kind(self, token: int) -> PieceKind:
        """A byte, the opening token, or beyond the vocabulary."""
        if token < BYTE_VALUES:
            return "byte"
        return "control" if token == self.bos_id else "absent"

    def piece(self, token: int) -> str:
        """<0xHH>, or <s>."""
        return f"<0x{token:02X}>" if token < BYTE_VALUES else "<s>"
