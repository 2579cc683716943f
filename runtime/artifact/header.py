"""The artifact's header: what it says, as objects, and the rules that its writer and its reader share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NoReturn

from ...compiler.source.wording import visible
from ...compiler.spec.quantization import Scheme
from ..quantize import EncodedStore
from ..quantize.storage import Storage
from .contents import ArtifactContents
from .errors import ArtifactError
from .storages import sound_storage

MAX_NAME = 256
MAX_DIMENSIONS = 8
MAX_ELEMENTS = 2**30
MAX_STORES = 2**14
MAX_STORAGES = 256
STATE_SCHEME, STATE_STORAGE = Scheme("float32"), Storage("float32")
"""Every state is written as it is: small, and no weight."""

CODES, POOL, TOKENIZER = "codes", "pool", "tokenizer"
"""The streams of the data section, in its order."""

BYTE_CODECS = ("brotli", "constriction", "lzma", "zlib", "zstd")
CODECS = {CODES: ("rans", *BYTE_CODECS), POOL: ("lzma", "zstd"), TOKENIZER: ("lzma", "zstd")}
"""Stream -> codecs that it may be written by."""


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """A row of the table of stores or of states."""

    name: str
    shape: tuple[int, ...]
    storage: Storage


@dataclass(frozen=True, slots=True)
class Header:
    """The header.

    Attributes:
        streams: codec by stream, in the order of the data section.
        tokenizer_bytes: length of the embedded tokenizer; None where none is embedded.
        tokenizer_sha256: of the tokenizer that is not embedded; "" where tokens are raw bytes or where it is.
    """

    spec: dict[str, Any]
    stores: tuple[StoreEntry, ...]
    states: tuple[StoreEntry, ...]
    streams: dict[str, str]
    tokenizer_bytes: int | None
    tokenizer_sha256: str
    provenance: dict[str, str]
    loopspec_version: str

    @property
    def entries(self) -> tuple[StoreEntry, ...]:
        """Stores, then states: what the data section holds, in table order."""
        return self.stores + self.states


def header_of(contents: ArtifactContents, streams: Mapping[str, str]) -> Header:
    """The header that describes `contents` written by these codecs."""
    embedded = contents.tokenizer is not None
    return Header(
        spec=contents.spec,
        stores=_entries_of(contents.stores),
        states=_entries_of(contents.states),
        streams=dict(streams),
        tokenizer_bytes=None if contents.tokenizer is None else len(contents.tokenizer),
        tokenizer_sha256="" if embedded else contents.tokenizer_sha256,
        provenance=contents.provenance,
        loopspec_version=contents.loopspec_version,
    )


def _entries_of(encoded: Mapping[str, EncodedStore]) -> tuple[StoreEntry, ...]:
    return tuple(StoreEntry(store.name, store.shape, store.storage) for store in encoded.values())


def check_header(header: Header, place: str) -> None:
    """The rules that writer and reader share. Raises ArtifactError where one is broken."""
    if not 1 <= len(header.stores) <= MAX_STORES or len(header.states) > MAX_STORES:
        counts = f"{len(header.stores)} stores and {len(header.states)} states"
        refuse(place, f"names {counts}; 1 to {MAX_STORES} stores and at most as many states are allowed")
    _check_names([entry.name for entry in header.entries], place)
    for entry in header.entries:
        _check_entry(entry, place)
    for entry in header.states:
        if entry.storage != STATE_STORAGE:
            refuse(place, f"stores state {entry.name} as {entry.storage.kind}; states are float32")
    if not all(isinstance(value, str) for value in (*header.provenance, *header.provenance.values())):
        refuse(place, "has provenance that is not strings by name")
    sha256 = header.tokenizer_sha256
    if sha256 and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):
        refuse(place, f"has tokenizer sha256 {sha256[:70]!r}; 64 lower-case hex digits are allowed")
    _check_streams(header, place)


def _check_names(names: list[str], place: str) -> None:
    seen = set()
    for name in names:
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            refuse(place, f"has a store name of {len(name)} characters; 1 to {MAX_NAME} printable ones are allowed")
        if name in seen:
            refuse(place, f"names store {name} twice")
        seen.add(name)


def _check_entry(entry: StoreEntry, place: str) -> None:
    sizes = entry.shape
    sound = len(sizes) <= MAX_DIMENSIONS and all(type(size) is int and 1 <= size <= MAX_ELEMENTS for size in sizes)
    if not sound or prod(sizes) > MAX_ELEMENTS:
        shape = f"{list(sizes)!s:.200}"
        refuse(place, f"gives store {entry.name} the shape {shape}; sizes are 1 or more, their product <= 2^30")
    if not sound_storage(entry.storage):
        refuse(place, f"stores {entry.name} as {entry.storage!s:.200}, which no reader knows")


def _check_streams(header: Header, place: str) -> None:
    coded = any(entry.storage.kind in ("integer", "grid") for entry in header.stores)
    needed = [CODES] * coded + [POOL] + [TOKENIZER] * (header.tokenizer_bytes is not None)
    if sorted(header.streams) != needed:
        refuse(place, f"has streams {', '.join(header.streams)!s:.200}; its tables need {', '.join(needed)}")
    for stream, codec in header.streams.items():
        if codec not in CODECS[stream]:
            known = ", ".join(CODECS[stream])
            refuse(place, f"has stream {stream} by codec {codec!r:.200}; this version knows {known}")


def refuse(place: str, problem: str, cause: Exception | None = None) -> NoReturn:
    """Raises the ArtifactError of a header. Names in `problem` may be an attacker's."""
    message = f"{place}: {visible(problem)}; pack the model again, with a loopspec of this version"
    raise ArtifactError(message) from cause
