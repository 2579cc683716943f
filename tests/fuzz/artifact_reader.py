"""The artifact reader under hostile files. Lengths and digests are made right in most, so that lies get inside."""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from random import Random
from typing import Any

import zstandard
from support.artifact_contents import FLOAT16, INT6, STORAGES, contents_of, filled, quantized, with_states
from support.artifact_forge import header_text, put_together, resigned, section_of, signed, taken_apart

from loopspec.compiler.spec.quantization import Codec
from loopspec.runtime.artifact import ArtifactError, build_artifact, parse_artifact
from loopspec.runtime.artifact.codecs import compress, decompress
from loopspec.runtime.artifact.header import POOL
from loopspec.runtime.artifact.header_json import header_from_json
from loopspec.runtime.artifact.pool import pool_bytes
from loopspec.runtime.quantize import QuantizeError, decode

from .engine import ACCEPTED, Target, saved
from .trees import NUMBERS, edited

CODECS = [Codec("rans"), Codec("zstd", 1), Codec("zlib", 1), Codec("lzma", 1)]
LONGEST_MESSAGE = 700
LARGEST_POOL = 1 << 14
LARGEST_TEXT = 1 << 18
SLOW = 0.02  # of the streams are recompressed by lzma, which takes a tenth of a second
Header = dict[str, Any]
Payloads = dict[str, bytes]


def run(data: bytes) -> str:
    """Reads one file and decodes its stores. Returns the error's words, without what it quotes."""
    try:
        contents = parse_artifact(data, "x")
    except ArtifactError as error:
        text = str(error)
        assert text.startswith(("x: ", "x, ")) and "; " in text, f"names no place or no mend: {text[:80]!a}"
        assert len(text) < LONGEST_MESSAGE and text.isprintable(), f"not one clear line: {text[:80]!a}"
        return re.sub(r"'.*'|[^a-zA-Z ,;]+", "", text)[:70]
    bad = 0
    for store in contents.tensors.values():
        try:
            decode(store)
        except QuantizeError as error:
            assert str(error).isprintable(), f"not one clear line: {str(error)[:80]!a}"
            bad += 1
    return f"{ACCEPTED}, {min(bad, 4)} stores do not decode"


def mutate(data: bytes, rng: Random) -> bytes:
    """A lie in the header, in a stream or in how they are put together; now and then raw bytes."""
    kind = rng.random()
    if kind < 0.06:
        return _spliced(data, rng)
    if kind < 0.12:
        return resigned(_spliced(data, rng)[:-32])
    parts = _parts(data)
    if parts is None:
        return rng.choice(seeds())
    header, payloads = parts
    if kind < 0.5:
        return put_together(_with_header(header, rng), payloads)
    if kind < 0.75:
        stream = rng.choice(list(payloads))
        return put_together(header, payloads | {stream: _spliced(payloads[stream], rng)})
    if kind < 0.85:
        return put_together(header, payloads | _recompressed(header, payloads, rng))
    if kind < 0.95:
        return _fitting(edited(header, rng), payloads, rng)
    return _misassembled(header, payloads, rng)


def seeds() -> list[bytes]:
    """Tiny artifacts, one of each layout and codec, and what was kept."""
    if not _SEEDS:
        mixed = with_states(contents_of(quantized(((2,), FLOAT16), ((2, 5), INT6)), b"tokens"), (2,))
        _SEEDS.extend(build_artifact(mixed, codec)[0] for codec in CODECS)
        for storage in STORAGES:
            contents = contents_of(filled(((3, 4), storage)), None)
            _SEEDS.append(build_artifact(contents, CODECS[len(_SEEDS) % 2])[0])
        wide = contents_of(filled(((17, 16), STORAGES[0]), ((16, 17), STORAGES[6])), None)
        _SEEDS.append(build_artifact(wide, CODECS[0])[0])
    return [*_SEEDS, *saved(TARGET.name)]


_SEEDS: list[bytes] = []


def _parts(data: bytes) -> tuple[Header, Payloads] | None:
    """The file taken apart, where it is sound enough."""
    if len(data) > TARGET.longest:
        return None
    unsound = (AssertionError, KeyError, TypeError, ValueError, struct.error, zstandard.ZstdError)
    with suppress(*unsound, MemoryError, RecursionError):
        header, payloads = taken_apart(data)
        return (header, payloads) if isinstance(header["streams"], dict) and payloads else None
    return None


def _with_header(header: Header, rng: Random) -> Header | bytes:
    """The header with an edit, with many rows, or as text that is off by some bytes."""
    kind = rng.random()
    if kind < 0.85:
        return _plain(edited(header, rng))
    if kind < 0.853:
        key, count = rng.choice(["stores", "states"]), rng.choice([20, 300, 300, 2**14, 2**14 + 1])
        given = header.get(key)
        first = given[0] if isinstance(given, list) and given and isinstance(given[0], list) else ["a", 0, 2]
        rows = [[f"r{number}", *first[1:]] for number in range(count)]
        return _plain({**header, key: rows[: rng.choice([count, count, count - 1])] + rng.choice([[], rows[-1:]])})
    return _spliced(header_text(header), rng)


def _plain(header: Header) -> Header | bytes:
    """What can be written; the project's writer sorts, as the reader asks."""
    try:
        text = header_text(header)
    except (TypeError, ValueError, RecursionError):  # keys that are no strings, integers of thousands of digits
        return b"{}"
    return text if len(text) < LARGEST_TEXT else text[:LARGEST_TEXT]


def _recompressed(header: Header, payloads: Payloads, rng: Random) -> Payloads:
    """A stream whose plain bytes are edited, or which another codec has written."""
    stream = rng.choice(list(payloads))
    codec = str(header["streams"][stream])
    with suppress(ArtifactError, KeyError, TypeError):
        size = len(payloads[stream]) if codec == "rans" else _plain_size(header, stream)
        plain = payloads[stream] if codec == "rans" else decompress(payloads[stream], codec, size, "x")
        changed = bytearray(plain)
        for _ in range(rng.randint(1, 3)):
            if changed:
                changed[rng.randrange(len(changed))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        return {stream: compress(bytes(changed), "lzma" if rng.random() < SLOW else rng.choice(["zstd", "zlib"]), 1)}
    return {stream: rng.randbytes(rng.choice([0, 1, 4, 30]))}


def _plain_size(header: Header, stream: str) -> int:
    if stream == POOL:
        return pool_bytes(header_from_json(header_text(header), "x").entries)
    tokenizer = header.get("tokenizer")
    size = tokenizer.get("bytes", 0) if isinstance(tokenizer, dict) else 0
    return size if isinstance(size, int) and 0 <= size <= LARGEST_POOL else 0


def _fitting(header: Header, payloads: Payloads, rng: Random) -> bytes:
    """An edited header with a pool of the length that it implies, so that what comes after is reached."""
    if isinstance(header.get("streams"), dict):
        header["streams"][POOL] = "zstd"
    text = _plain(header)
    with suppress(ArtifactError):
        assert isinstance(text, bytes)
        parsed = header_from_json(text, "x")
        size = pool_bytes(parsed.entries)
        if size <= LARGEST_POOL:
            plain = bytes(size) if rng.random() < 0.5 else rng.randbytes(min(size, 4096)).ljust(size, b"\0")
            payloads = payloads | {POOL: compress(plain, "zstd", 1)}
    return put_together(text, payloads)


def _misassembled(header: Header, payloads: Payloads, rng: Random) -> bytes:
    """Wrong order, lengths, versions and compressed forms of the header."""
    text = header_text(header)
    streams = list(payloads.items())
    rng.shuffle(streams)
    section = section_of(dict(streams))
    heads = [
        zstandard.compress(text),
        zstandard.compress(text)[: rng.randrange(40)],
        zstandard.ZstdCompressor(write_content_size=False).compress(text),
        zstandard.ZstdCompressor(write_checksum=True).compress(text) + rng.choice([b"", b"\0"]),
        zstandard.compress(text) * 2,
        zstandard.compress(b"[" * rng.choice([10, 1000, 10**6])),
        zstandard.compress(b'{"spec":' * rng.choice([10, 900, 10**5])),
        zstandard.compress(b"0" * (2**21 + rng.choice([0, 1]))),
    ]
    section = section if rng.random() < 0.5 else _spliced(section, rng)
    head = rng.choice(heads)
    if rng.random() < 0.3:
        whole = bytearray(signed(head, section))
        struct.pack_into("<I", whole, rng.choice([8, 12, 16]), rng.choice(NUMBERS) % 2**32)
        return resigned(bytes(whole[:-32])) if rng.random() < 0.7 else bytes(whole)
    return signed(head, section, rng.choice([3, 3, 3, 2, 4]))


def _spliced(data: bytes, rng: Random) -> bytes:
    """Bits flipped, bytes cut, repeated, moved or made up."""
    for _ in range(rng.choice([1, 1, 2, 4])):
        start = rng.randint(0, len(data))
        end = min(len(data), start + rng.choice([0, 1, 1, 2, 4, 8, 40]))
        piece = data[start:end]
        flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in piece)
        number = struct.pack("<I", rng.choice(NUMBERS) % 2**32)
        middle = [flipped, flipped, b"", piece * 2, rng.randbytes(len(piece)), number, bytes(len(piece)), b"\xff" * 4]
        data = data[:start] + rng.choice(middle) + data[end:]
    return data


TARGET = Target("artifact_reader", run, mutate, seeds, ".lsa", seconds=5.0, memory=512 * 2**20, longest=1 << 14)
