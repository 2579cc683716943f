"""The `data` section: where text comes from, how it becomes tokens, and in which order training reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

SourceKind = Literal["python_standard_library", "text", "shards"]
TokenizerKind = Literal["train", "file", "bytes"]
Order = Literal["contiguous", "shuffled", "coprime"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where text comes from: the interpreter's standard library, files, or shards in the challenge's format.

    Attributes:
        validation_bytes: about; of text only one of this, `validation_share` and `validation_path` counts, and the
            share only where both others are None.
        path: text: a file or a folder.
        include: text: globs of the files that are taken from a folder.
        validation_share: text: of the bytes, about.
        validation_path: text: a separate file or folder.
        train: shards: glob.
        validation: shards: glob.
        limit: shards: train on the first so many.
    """

    kind: SourceKind
    validation_bytes: int | None = None
    path: str | None = None
    include: tuple[str, ...] = ()
    validation_share: float | None = None
    validation_path: str | None = None
    train: str | None = None
    validation: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class TokenizerSource:
    """A SentencePiece model, trained on the train split or read from a file; or bytes, which need no model."""

    kind: TokenizerKind
    embed: bool = False
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """The `data` section; `order` is that of the training sequences."""

    source: Source = field(default_factory=lambda: Source("python_standard_library", 100_000))
    tokenizer: TokenizerSource = field(default_factory=lambda: TokenizerSource("train", True))
    order: Order = "contiguous"


def build_data(plain: dict[str, Any]) -> Data:
    """The section of a checked, default-filled document."""
    source = dict(plain["source"])
    source["include"] = tuple(source.get("include", ()))
    return Data(Source(**source), TokenizerSource(**plain["tokenizer"]), plain["order"])
