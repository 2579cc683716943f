"""The data section: streams one after another, each a payload after its length and its SHA-256."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence

from .errors import ArtifactError

PREFIX = struct.Struct("<I32s")


def join_streams(payloads: Mapping[str, bytes]) -> bytes:
    """Each payload after its length as u32 and its SHA-256."""
    return b"".join(PREFIX.pack(len(data), hashlib.sha256(data).digest()) + data for data in payloads.values())


def split_streams(section: bytes, names: Sequence[str], place: str) -> dict[str, bytes]:
    """Undoes `join_streams` for streams of these names.

    Raises:
        ArtifactError: streams that do not fill the section exactly, or a payload that its SHA-256 does not match.
    """
    payloads, offset = {}, 0
    for name in names:
        if len(section) - offset < PREFIX.size:
            raise ArtifactError(f"{place}: ends before stream {name}; pack the model again")
        length, digest = PREFIX.unpack_from(section, offset)
        offset += PREFIX.size
        if length > len(section) - offset:
            raise ArtifactError(f"{place}, {name}: {length} bytes reach past the end; pack the model again")
        payloads[name] = section[offset : offset + length]
        if hashlib.sha256(payloads[name]).digest() != digest:
            raise ArtifactError(f"{place}, {name}: damaged, its SHA-256 does not match; pack the model again")
        offset += length
    if offset != len(section):
        raise ArtifactError(f"{place}: {len(section) - offset} bytes after the last stream; pack the model again")
    return payloads
