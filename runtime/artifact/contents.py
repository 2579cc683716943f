"""What an artifact holds, and what its writer reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..quantize import EncodedStore

LOOPSPEC_VERSION = "0.2.0"
"""Version of the package that writes; recorded, never interpreted by the reader."""


@dataclass(frozen=True, slots=True)
class ArtifactContents:
    """Everything in an artifact, decompressed, with stores and states still quantized.

    Attributes:
        spec: the resolved spec as plain JSON (dicts with string keys, lists, strings, finite numbers, booleans, None).
        stores: by name, in plan order; each key is its store's name.
        states: buffers that the module wrote while it was trained, alike, every one as float32.
        tokenizer: the tokenizer model's bytes where the artifact carries them.
        tokenizer_sha256: 64 hex digits of the tokenizer model, embedded or not; "" where tokens are raw bytes.
        provenance: identities that a score depends on (corpus, validation split, run), strings by name.
        loopspec_version: version of the package that wrote it.
    """

    spec: dict[str, Any]
    stores: dict[str, EncodedStore]
    tokenizer: bytes | None
    tokenizer_sha256: str
    provenance: dict[str, str]
    states: dict[str, EncodedStore] = field(default_factory=dict)
    loopspec_version: str = LOOPSPEC_VERSION

    @property
    def tensors(self) -> dict[str, EncodedStore]:
        """Stores, then states, in the order of the data section."""
        return self.stores | self.states


@dataclass(frozen=True, slots=True)
class ArtifactSummary:
    """Sizes of a written artifact, in bytes.

    Attributes:
        bytes: the whole file.
        header_bytes: the compressed header.
        data_bytes: the compressed data section.
        sha256: of the whole file, as `sha256sum` prints it.
        store_bytes: each store's and state's estimated part of `data_bytes`.
        stream_bytes: payloads by stream: `codes`, `pool`, `tokenizer`.
    """

    bytes: int
    header_bytes: int
    data_bytes: int
    sha256: str
    store_bytes: dict[str, int]
    stream_bytes: dict[str, int]
