"""Hand-made attacks on the artifact's reader, by what they lie about.

Their errors lie in tests/runtime/artifact/attacks.

Each is the bytes of a file, with every length and digest made right but for the one that is the attack.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any

import zstandard
from support.artifact_contents import INT6, INT8, contents_of, filled, quantized, small
from support.artifact_forge import (
    MAGIC,
    PREAMBLE,
    PREFIX,
    Header,
    header_text,
    put_together,
    resigned,
    section_of,
    signed,
    taken_apart,
    with_header,
    with_payload,
)

from loopspec.compiler.spec.quantization import Codec
from loopspec.runtime.artifact import build_artifact
from loopspec.runtime.quantize import Storage

Attack = Callable[[], bytes]

GOOD = build_artifact(small(), Codec("rans"))[0]
BY_ZSTD = build_artifact(contents_of(quantized(((130, 130), INT8), ((4, 8), INT6))), Codec("zstd"))[0]
HEADER, PAYLOADS = taken_apart(GOOD)
HEAD, SECTION = zstandard.compress(header_text(HEADER)), section_of(PAYLOADS)


def _frame_bomb(declared: int, head: bytes = b"") -> bytes:
    """A zstd frame of 128 kB of zeros that claims to hold `declared` bytes."""
    frame = bytearray(zstandard.compress(bytes(2**17)))
    assert frame[4] & 0xC0 == 0x80  # a content size of four bytes follows
    frame[5:9] = declared.to_bytes(4, "little")
    return head + bytes(frame)


def _zeros(count: int) -> bytes:
    """A sound zstd frame of so many zeros, without them in memory."""
    compressor = zstandard.ZstdCompressor(level=1).compressobj(size=count)
    return b"".join(compressor.compress(bytes(2**20)) for _ in range(count // 2**20)) + compressor.flush()


def _streamed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(data)


def _unsigned(whole: bytes, offset: int, patch: bytes) -> bytes:
    body = whole[:-32]
    body = body[:offset] + patch + body[offset + len(patch) :]
    return body + hashlib.sha256(body).digest()


FILE: dict[str, Attack] = {
    "nothing": lambda: b"",
    "another file": lambda: b"PK\x03\x04 and so on",
    "magic with unix line ends": lambda: MAGIC.replace(b"\r\n", b"\n") + GOOD[8:],
    "magic alone": lambda: MAGIC,
    "cut within the preamble": lambda: GOOD[:19],
    "cut after the preamble": lambda: GOOD[:20],
    "format version 0": lambda: signed(HEAD, SECTION, 0),
    "format version 1": lambda: signed(HEAD, SECTION, 1),
    "format version 2": lambda: signed(HEAD, SECTION, 2),
    "format version 4": lambda: signed(HEAD, SECTION, 4),
    "a byte more": lambda: GOOD + b"\0",
    "length one less": lambda: _unsigned(GOOD, 12, struct.pack("<I", len(GOOD) - 1)),
    "length of four gigabytes": lambda: _unsigned(GOOD, 12, b"\xff" * 4),
    "digest of zeros": lambda: GOOD[:-32] + bytes(32),
    "header past the end": lambda: signed(HEAD, SECTION, head_bytes=len(HEAD) + len(SECTION) + 1),
    "header of four gigabytes": lambda: signed(HEAD, SECTION, head_bytes=2**32 - 1),
    "header up to the digest": lambda: signed(HEAD, SECTION, head_bytes=len(HEAD) + len(SECTION)),
    "no header": lambda: signed(b"", SECTION),
    "header that is no zstd": lambda: signed(header_text(HEADER), SECTION),
    "header without its size": lambda: signed(_streamed(header_text(HEADER)), SECTION),
    "header in a skippable frame": lambda: signed(struct.pack("<II", 0x184D2A50, 4) + b"okay", SECTION),
    "header cut": lambda: signed(HEAD[:-1], SECTION),
    "header with a byte more": lambda: signed(HEAD + b"\0", SECTION),
    "header of two frames": lambda: signed(HEAD + HEAD, SECTION),
    "header of 64 megabytes of zeros": lambda: signed(_zeros(2**26), SECTION),
    "header that claims more than a frame can hold": lambda: signed(_frame_bomb(2**31), SECTION),
    "header that is no JSON": lambda: put_together(b'{"spec":', PAYLOADS),
    "header nested without end": lambda: put_together(b"[" * 10**5, PAYLOADS),
    "header with spaces": lambda: put_together(header_text(HEADER).replace(b":", b": "), PAYLOADS),
    "header with a key twice": lambda: put_together(header_text(HEADER)[:-1] + b',"spec":{}}', PAYLOADS),
    "header with keys in another order": lambda: put_together(
        b'{"tokenizer":' + header_text(HEADER).split(b'"tokenizer":')[1][:-1] + b"," + header_text(HEADER)[1:], PAYLOADS
    ),
    "header in another encoding": lambda: put_together(header_text(HEADER).replace(b"tiny", "tïny".encode()), PAYLOADS),
    "header with a number of a million digits": lambda: put_together(
        header_text(HEADER).replace(b'"dim":8', b'"dim":' + b"8" * 10**6), PAYLOADS
    ),
    "header with an infinite number": lambda: put_together(
        header_text(HEADER).replace(b'"dim":8', b'"dim":1e999'), PAYLOADS
    ),
}


def _set(*path_and_value: Any) -> Attack:
    *path, last, value = path_and_value

    def change(header: Header) -> None:
        place: Any = header
        for key in path:
            place = place[key]
        place[last] = value

    return lambda: with_header(GOOD, change)


def _without(key: str) -> Attack:
    return lambda: with_header(GOOD, lambda header: {name: value for name, value in header.items() if name != key})


def _storages(*items: Any) -> Attack:
    """Puts storages in place of those that there are; the first of them is what a test is about."""
    return lambda: with_header(GOOD, lambda header: header | {"storages": [*items, *header["storages"][len(items) :]]})


MATRIX, LAST = 2, 3  # rows of GOOD's table: a matrix [4, 8], then a tensor [2, 2, 2]

HEADERS: dict[str, Attack] = {
    "is a list": lambda: put_together(b"[]", PAYLOADS),
    "unknown key": _set("offsets", [0, 4]),
    "unknown key with an escape code": _set("\x1b[31m", 1),
    "no spec": _without("spec"),
    "no streams": _without("streams"),
    "spec that is a list": _set("spec", []),
    "provenance that is a number": _set("provenance", "corpus", 1),
    "version that is a number": _set("loopspec", 3),
    "no stores": _set("stores", []),
    "too many stores": _set("stores", [["a", 0]] * (2**14 + 1)),
    "too many states": _set("states", [["a"]] * (2**14 + 1)),
    "too many storages": _set("storages", [{"kind": "float32"}] * 257),
    "store that is a string": _set("stores", LAST, "a"),
    "store without a storage": _set("stores", LAST, ["a"]),
    "store with a number for a name": _set("stores", LAST, 0, 7),
    "store without a name": _set("stores", LAST, 0, ""),
    "store with a line end in its name": _set("stores", LAST, 0, "a\nx, header: all is well"),
    "store with half a surrogate in its name": _set("stores", LAST, 0, "\ud800"),
    "store with a name of 257 characters": _set("stores", LAST, 0, "a" * 257),
    "store named twice": _set("stores", LAST, 0, HEADER["stores"][MATRIX][0]),
    "state named as a store": _set("states", 0, 0, HEADER["stores"][MATRIX][0]),
    "storage past the list": _set("stores", LAST, 1, 4),
    "storage before the list": _set("stores", LAST, 1, -1),
    "storage that is true": _set("stores", LAST, 1, True),
    "storage that nothing uses": lambda: with_header(GOOD, lambda header: header["storages"].append({"kind": "grid"})),
    "storage listed twice": lambda: with_header(
        GOOD, lambda header: header["storages"].insert(1, header["storages"][0])
    ),
    "size of 0": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, 0, 8]),
    "negative sizes": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, -4, -8]),
    "size that is true": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, True, 32]),
    "size that is a fraction": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, 4.0, 8]),
    "size of 2^64": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, 2**64]),
    "sizes of 2^40 together": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, 2**20, 2**20]),
    "nine sizes": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, *[1] * 9]),
    "a gigabyte of codes": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, 1, 2**30]),
    "a gigabyte of floats": _set("stores", 0, ["a", 0, 2**29]),
    "a hundred megabytes of codes": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, 1, 10**8]),
    "low-rank terms of ten billion products": lambda: with_header(
        GOOD,
        lambda header: (
            header
            | {
                "stores": [
                    *header["stores"][:MATRIX],
                    [header["stores"][MATRIX][0], 2, 7000, 7000],
                    header["stores"][LAST],
                ],
                "storages": [
                    *header["storages"][:2],
                    {"kind": "integer", "levels": 31, "error_rank": 255},
                    header["storages"][3],
                ],
            }
        ),
    ),
    "a million rows of exponents": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, 2**21, 1]),
    "state of a size of 0": _set("states", 0, ["stages.trunk.state_0", 0]),
    "state with a storage": _set("states", 0, ["stages.trunk.state_0", {"kind": "float16"}, 4]),
    "storage that is a string": _storages("float16"),
    "storage of no kind": _storages({}),
    "storage of an unknown kind": _storages({"kind": "vector"}),
    "storage of a kind that is a list": _storages({"kind": []}),
    "float with levels": _storages({"kind": "float16", "levels": 3}),
    "grid with levels": _storages({"kind": "grid", "levels": 31}),
    "no levels": _storages({"kind": "integer"}),
    "128 levels": _storages({"kind": "integer", "levels": 128}),
    "no level": _storages({"kind": "integer", "levels": 0}),
    "levels that are true": _storages({"kind": "integer", "levels": True}),
    "default written out": _storages({"kind": "integer", "levels": 31, "steps": "row"}),
    "groups of 0": _storages({"kind": "integer", "levels": 31, "steps": 0}),
    "steps by column": _storages({"kind": "integer", "levels": 31, "steps": "column"}),
    "steps of no kind": _storages({"kind": "integer", "levels": 31, "steps": None}),
    "steps of 8 bits": _storages({"kind": "integer", "levels": 31, "step_dtype": "float8"}),
    "error term of negative rank": _storages({"kind": "integer", "levels": 31, "error_rank": -1}),
    "error term of a great rank": _storages({"kind": "integer", "levels": 31, "error_rank": 2**20}),
    "unknown key of a storage": _storages({"kind": "integer", "levels": 31, "zero_point": 1}),
    "stream that is not there": _set(
        "streams", {"codes": "rans", "extra": "zstd", "pool": "zstd", "tokenizer": "zstd"}
    ),
    "stream left out": _set("streams", {"codes": "rans", "pool": "zstd"}),
    "stream by a number": _set("streams", "codes", 1),
    "codes by an unknown codec": _set("streams", "codes", "huffman"),
    "codes by a codec with an escape code": _set("streams", "codes", "\x1b[2J"),
    "pool by a codec of codes": _set("streams", "pool", "rans"),
    "codes by another codec": _set("streams", "codes", "zstd"),
    "tokenizer that is a string": _set("tokenizer", "model"),
    "tokenizer of a negative size": _set("tokenizer", {"bytes": -1}),
    "tokenizer of size true": _set("tokenizer", {"bytes": True}),
    "tokenizer of both": _set("tokenizer", {"bytes": 15, "sha256": "0" * 64}),
    "tokenizer of another size": _set("tokenizer", {"bytes": 14}),
    "tokenizer of a gigabyte": _set("tokenizer", {"bytes": 2**30}),
    "tokenizer elsewhere": _set("tokenizer", {"sha256": "0" * 64}),
    "tokenizer with an odd digest": lambda: put_together(
        HEADER | {"tokenizer": {"sha256": "XYZ"}, "streams": {"codes": "rans", "pool": "zstd"}},
        {"codes": PAYLOADS["codes"], "pool": PAYLOADS["pool"]},
    ),
    "tokenizer with an empty digest": lambda: put_together(
        HEADER | {"tokenizer": {"sha256": ""}, "streams": {"codes": "rans", "pool": "zstd"}},
        {"codes": PAYLOADS["codes"], "pool": PAYLOADS["pool"]},
    ),
}


def _stream_start(stream: str) -> int:
    """Offset of a stream's length in GOOD."""
    names = list(PAYLOADS)
    before = names[: names.index(stream)]
    head_bytes: int = PREAMBLE.unpack_from(GOOD)[3]
    return head_bytes + PREAMBLE.size + sum(PREFIX.size + len(PAYLOADS[name]) for name in before)


def _reprefixed(stream: str, length: int | None = None, digest: bytes | None = None) -> Attack:
    """GOOD with the length or the digest of one stream patched."""

    def attack() -> bytes:
        start = _stream_start(stream)
        own_length, own_digest = PREFIX.unpack_from(GOOD, start)
        return _unsigned(GOOD, start, PREFIX.pack(own_length if length is None else length, digest or own_digest))

    return attack


STREAMS: dict[str, Attack] = {
    "no data section": lambda: signed(HEAD, b""),
    "cut within a prefix": lambda: resigned(GOOD[: _stream_start("pool") + 20]),
    "one stream too few": lambda: resigned(GOOD[: _stream_start("tokenizer")]),
    "a byte after the last": lambda: resigned(GOOD[:-32] + b"\0"),
    "one stream too many": lambda: signed(HEAD, SECTION + section_of({"more": b"more"})),
    "length past the end": _reprefixed("tokenizer", length=2**32 - 1),
    "length into the next stream": _reprefixed("codes", length=len(PAYLOADS["codes"]) + 4),
    "length one less": _reprefixed("codes", length=len(PAYLOADS["codes"]) - 1),
    "length of 0": _reprefixed("codes", length=0),
    "digest of zeros": _reprefixed("pool", digest=bytes(32)),
    "digest of the next stream": _reprefixed("codes", digest=hashlib.sha256(PAYLOADS["pool"]).digest()),
    "streams in another order": lambda: signed(HEAD, section_of(dict(reversed(PAYLOADS.items())))),
    "pool empty": lambda: with_payload(GOOD, "pool", b""),
    "pool of another length": lambda: put_together(
        HEADER | {"streams": HEADER["streams"] | {"pool": "zstd"}}, PAYLOADS | {"pool": zstandard.compress(b"pool")}
    ),
    "pool that claims more than a frame can hold": lambda: put_together(
        HEADER | {"streams": HEADER["streams"] | {"pool": "zstd"}}, PAYLOADS | {"pool": _frame_bomb(2**31)}
    ),
    "pool by lzma of nonsense": lambda: put_together(
        HEADER | {"streams": HEADER["streams"] | {"pool": "lzma"}}, PAYLOADS | {"pool": bytes(40)}
    ),
    "pool by lzma with a byte more": lambda: _lzma_pool(b"\0"),
    "tokenizer without its size": lambda: put_together(
        HEADER | {"streams": HEADER["streams"] | {"tokenizer": "zstd"}},
        PAYLOADS | {"tokenizer": _streamed(b"tokenizer model")},
    ),
}


def _lzma_pool(more: bytes) -> bytes:
    """An artifact whose pool is by lzma, with bytes after it."""
    whole = build_artifact(contents_of(filled(((400,), Storage("float32")))), Codec("rans"))[0]
    header, payloads = taken_apart(whole)
    return put_together(header, payloads | {"pool": payloads["pool"] + more})


def _codes(change: Callable[[bytes], bytes]) -> Attack:
    return lambda: with_payload(GOOD, "codes", change(PAYLOADS["codes"]))


def _zstd_codes(change: Callable[[bytes], bytes]) -> Attack:
    return lambda: with_payload(BY_ZSTD, "codes", change(taken_apart(BY_ZSTD)[1]["codes"]))


def _two_frames(first: bytes, second: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(frame)) + frame for frame in (first, second))


CODES: dict[str, Attack] = {
    "rans: nothing": _codes(lambda _: b""),
    "rans: three bytes": _codes(lambda _: b"\0\0\0"),
    "rans: zeros": _codes(lambda data: bytes(len(data))),
    "rans: ones": _codes(lambda data: b"\xff" * len(data)),
    "rans: description past the end": _codes(lambda data: struct.pack("<I", 2**32 - 1) + data[4:]),
    "rans: description of no bytes": _codes(lambda data: bytes(4) + data[4:]),
    "rans: description one byte longer": _codes(
        lambda data: struct.pack("<I", struct.unpack("<I", data[:4])[0] + 1) + data[4:]
    ),
    "rans: description of ones": _codes(
        lambda data: (
            data[:4] + b"\xff" * struct.unpack("<I", data[:4])[0] + data[4 + struct.unpack("<I", data[:4])[0] :]
        )
    ),
    "rans: a word less": _codes(lambda data: data[:-2]),
    "rans: a word more": _codes(lambda data: data + b"\0\0"),
    "rans: half a word more": _codes(lambda data: data + b"\0"),
    "rans: other shapes": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, 4, 9]),
    "rans: fifty megabytes of codes": _set("stores", MATRIX, [HEADER["stores"][MATRIX][0], 2, 1, 5 * 10**7]),
    "zstd: nothing": _zstd_codes(lambda _: b""),
    "zstd: a frame less": _zstd_codes(lambda data: data[: 4 + struct.unpack("<I", data[:4])[0]]),
    "zstd: a byte more": _zstd_codes(lambda data: data + b"\0"),
    "zstd: frame past the end": _zstd_codes(lambda data: b"\xff\xff\xff\xff" + data[4:]),
    "zstd: frame into the next": _zstd_codes(
        lambda data: struct.pack("<I", struct.unpack("<I", data[:4])[0] + 1) + data[4:]
    ),
    "zstd: frame of another length": _zstd_codes(
        lambda _: _two_frames(zstandard.compress(bytes(130 * 131)), zstandard.compress(bytes(32)))
    ),
    "zstd: frame that claims too much": _zstd_codes(lambda _: _two_frames(_frame_bomb(130 * 130), _zeros(2**20))),
    "zstd: frame that holds more than it says": _zstd_codes(
        lambda _: _two_frames(zstandard.compress(bytes(130 * 130)) + b"\0", zstandard.compress(bytes(32)))
    ),
    "zstd: no frame": _zstd_codes(lambda _: _two_frames(b"", b"")),
}

ATTACKS = {"file": FILE, "header": HEADERS, "streams": STREAMS, "codes": CODES}
"""Family -> name -> the bytes of the file."""
