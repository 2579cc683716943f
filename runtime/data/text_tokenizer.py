"""What the data package asks of a tokenizer, whether SentencePiece's or bytes."""

from collections.abc import Sequence
from typing import Protocol

from .tokenizer import PieceKind, TokenArray


class TextTokenizer(Protocol):
    """Text to tokens and back, and what each token stands for."""

    @property
    def model_bytes(self) -> bytes:
        """The model to embed in an artifact; empty where there is none."""

    @property
    def sha256(self) -> str:
        """Hexadecimal: tells one tokenizer from another."""

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""

    @property
    def bos_id(self) -> int | None:
        """The token that opens every document, if there is one."""

    @property
    def opening_id(self) -> int:
        """The token that precedes a text to be scored: `bos_id`, or one that stands for itself."""

    @property
    def has_dummy_prefix(self) -> bool:
        """Whether the tokenizer itself puts a space before a text."""

    def encode(self, text: str) -> TokenArray:
        """Tokens (n,) of one text, without an opening token."""

    def encode_documents(self, texts: Sequence[str]) -> list[TokenArray]:
        """Tokens of each text."""

    def decode(self, tokens: TokenArray) -> str:
        """The text of `tokens`."""

    def kind(self, token: int) -> PieceKind:
        """What the id stands for."""

    def piece(self, token: int) -> str:
        """The piece, with U+2581 for a space and <0xHH> for a byte."""
