"""The data section: which frame holds which parts of which stores, derived from the header and stored nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..quantize import EncodedStore, part_bytes, row_shape
from .header import Header, StoreEntry

OWN_FRAME_BYTES = 2**14
"""Code parts at least this long have a frame of their own. Measured on trained int6 matrices: +1.1 % over the order-0
entropy, where one zstd stream over all of them takes +2.3 % (or +9.5 % with int8 codes in between)."""

WORD_BYTES = {"codes": 1, "steps": 2, "float16": 2, "float32": 4}
"""Bytes a word of each kind of part, in the order of the pool."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of one store; `kind` is a key of WORD_BYTES."""

    entry: StoreEntry
    name: str
    kind: str
    length: int


def frame_sizes(header: Header) -> list[int]:
    """Decompressed bytes of every frame: one for each long code part, the pool of all other parts, the tokenizer."""
    own, pool = _split_parts(header.entries)
    sizes = [part.length for part in own] + [sum(part.length for part in pool)]
    return sizes if header.tokenizer_bytes is None else [*sizes, header.tokenizer_bytes]


def own_frames(header: Header) -> list[str]:
    """Names of the stores whose codes have a frame of their own, in the order of the frames."""
    return [part.entry.name for part in _split_parts(header.entries)[0]]


def join_frames(header: Header, stores: Mapping[str, EncodedStore], tokenizer: bytes | None) -> list[bytes]:
    """The frames' contents, before compression; `stores` are stores and states."""
    own, pool = _split_parts(header.entries)
    frames = [_to_columns(stores[part.entry.name].parts[part.name], part) for part in own]
    frames.append(b"".join(_join_run(run, stores) for run in _runs(pool)))
    return frames if tokenizer is None else [*frames, tokenizer]


def split_frames(header: Header, frames: Sequence[bytes]) -> tuple[dict[str, EncodedStore], bytes | None]:
    """Undoes `join_frames`, stores before states; each frame has the length that `frame_sizes` gives."""
    own, pool = _split_parts(header.entries)
    parts: dict[str, dict[str, bytes]] = {entry.name: {} for entry in header.entries}
    for part, frame in zip(own, frames, strict=False):
        parts[part.entry.name][part.name] = _from_columns(frame, part)
    offset = 0
    for run in _runs(pool):
        length = sum(part.length for part in run)
        _split_run(run, frames[len(own)][offset : offset + length], parts)
        offset += length
    stores = {
        entry.name: EncodedStore(entry.name, entry.shape, entry.scheme, parts[entry.name]) for entry in header.entries
    }
    return stores, None if header.tokenizer_bytes is None else frames[-1]


def _split_parts(entries: Sequence[StoreEntry]) -> tuple[list[Part], list[Part]]:
    """Parts with a frame of their own, and the pool's by kind; table order within each."""
    parts = [
        Part(entry, name, entry.scheme.kind if name == "values" else name, length)
        for entry in entries
        for name, length in part_bytes(entry.shape, entry.scheme).items()
    ]
    own = [part for part in parts if _is_own(part)]
    kinds = list(WORD_BYTES)
    return own, sorted((part for part in parts if not _is_own(part)), key=lambda part: kinds.index(part.kind))


def _is_own(part: Part) -> bool:
    return part.kind == "codes" and part.length >= OWN_FRAME_BYTES


def _runs(pool: Sequence[Part]) -> list[list[Part]]:
    return [list(run) for _, run in groupby(pool, key=lambda part: part.kind)]


def _join_run(run: Sequence[Part], stores: Mapping[str, EncodedStore]) -> bytes:
    """Codes by columns; words as byte planes over the whole run (all first bytes, all second bytes)."""
    raw = [stores[part.entry.name].parts[part.name] for part in run]
    if run[0].kind == "codes":
        return b"".join(_to_columns(data, part) for data, part in zip(raw, run, strict=True))
    return np.frombuffer(b"".join(raw), np.uint8).reshape(-1, WORD_BYTES[run[0].kind]).T.tobytes()


def _split_run(run: Sequence[Part], data: bytes, parts: Mapping[str, dict[str, bytes]]) -> None:
    codes = run[0].kind == "codes"
    words = data if codes else np.frombuffer(data, np.uint8).reshape(WORD_BYTES[run[0].kind], -1).T.tobytes()
    start = 0
    for part in run:
        raw = words[start : start + part.length]
        parts[part.entry.name][part.name] = _from_columns(raw, part) if codes else raw
        start += part.length


def _to_columns(codes: bytes, part: Part) -> bytes:
    """Row steps have evened out the rows; what is left varies by column, and a coder adapts along the stream."""
    return np.frombuffer(codes, np.uint8).reshape(row_shape(part.entry.shape)).T.tobytes()


def _from_columns(codes: bytes, part: Part) -> bytes:
    return np.frombuffer(codes, np.uint8).reshape(row_shape(part.entry.shape)[::-1]).T.tobytes()
