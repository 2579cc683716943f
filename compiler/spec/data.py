"""The `data` section: where text comes from, how it becomes tokens, and in which order training reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Source:
    """Where text comes from: the running interpreter's standard library, or shards in the challenge's format."""

    kind: Literal["python_standard_library", "shards"]
    validation_bytes: int | None = None  # python_standard_library
    train: str | None = None  # shards: glob
    validation: str | None = None  # shards: glob


@dataclass(frozen=True, slots=True)
class TokenizerSource:
    """A SentencePiece model: trained on the train split, or read from a file."""

    kind: Literal["train", "file"]
    embed: bool
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """The `data` section; `order` is that of the training sequences."""

    source: Source = field(default_factory=lambda: Source("python_standard_library", 100_000))
    tokenizer: TokenizerSource = field(default_factory=lambda: TokenizerSource("train", True))
    order: Literal["contiguous", "shuffled"] = "contiguous"


def build_data(plain: dict[str, Any]) -> Data:
    """The section of a checked, default-filled document."""
    return Data(Source(**plain["source"]), TokenizerSource(**plain["tokenizer"]), plain["order"])
