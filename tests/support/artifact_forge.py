"""Artifacts taken apart and put together again with every length and digest made right, so that a lie gets inside."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

import zstandard

PREAMBLE, PREFIX = struct.Struct("<8sIII"), struct.Struct("<I32s")
MAGIC = b"\x89LSPEC\r\n"
Header = dict[str, Any]
Payloads = dict[str, bytes]


def taken_apart(whole: bytes) -> tuple[Header, Payloads]:
    """The header's JSON and the payloads by stream, read from FORMAT.md alone."""
    *_, head_bytes = PREAMBLE.unpack_from(whole)
    offset = PREAMBLE.size + head_bytes
    header = json.loads(zstandard.decompress(whole[PREAMBLE.size : offset]))
    payloads = {}
    for stream in header["streams"]:
        length, digest = PREFIX.unpack_from(whole, offset)
        offset += PREFIX.size
        payloads[stream] = whole[offset : offset + length]
        assert hashlib.sha256(payloads[stream]).digest() == digest
        offset += length
    assert offset == len(whole) - 32
    return header, payloads


def header_text(header: Header) -> bytes:
    """The canonical JSON: sorted but for what is within `spec`."""
    return json.dumps(_sorted(header, top=True), separators=(",", ":")).encode()


def _sorted(value: Any, *, top: bool = False) -> Any:
    if isinstance(value, dict):
        return {key: value[key] if top and key == "spec" else _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def section_of(payloads: Mapping[str, bytes]) -> bytes:
    """The streams with their lengths and digests."""
    return b"".join(PREFIX.pack(len(data), hashlib.sha256(data).digest()) + data for data in payloads.values())


def signed(head: bytes, section: bytes, version: int = 3, *, head_bytes: int | None = None) -> bytes:
    """The file of a compressed header and a data section."""
    size = PREAMBLE.size + len(head) + len(section) + 32
    body = PREAMBLE.pack(MAGIC, version, size, len(head) if head_bytes is None else head_bytes) + head + section
    return body + hashlib.sha256(body).digest()


def resigned(body: bytes) -> bytes:
    """A file whose last 32 bytes were left off, or whose middle was changed: length and digest made right."""
    body = body[:12] + struct.pack("<I", len(body) + 32) + body[16:]
    return body + hashlib.sha256(body).digest()


def put_together(header: Header | bytes, payloads: Mapping[str, bytes]) -> bytes:
    """The file of a header, plain or as its text, and payloads."""
    text = header if isinstance(header, bytes) else header_text(header)
    return signed(zstandard.compress(text), section_of(payloads))


def with_header(whole: bytes, change: Callable[[Header], Header | None]) -> bytes:
    """The artifact with a header that `change` has edited in place or replaced."""
    header, payloads = taken_apart(whole)
    changed = change(header)
    return put_together(header if changed is None else changed, payloads)


def with_payload(whole: bytes, stream: str, payload: bytes) -> bytes:
    """The artifact with another payload of one stream."""
    header, payloads = taken_apart(whole)
    return put_together(header, payloads | {stream: payload})
