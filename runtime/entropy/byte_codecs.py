"""General compressors of bytes: each compresses reproducibly and decompresses to a known size and no further."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import EntropyError
from .optional_package import optional_package

_LZMA_FORMAT = lzma.FORMAT_RAW
_LZMA_DICTIONARY = 1 << 24
"""Bytes of history that the reader keeps, whatever the level: 16 MiB."""

_LZMA_LEAST = 4096

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ByteCodec:
    """A compressor and what undoes it.

    Attributes:
        levels: lowest and highest level.
        compress: (data, level) to bytes, the same on every call of one version of the library.
        decompress: (data, size, place) to exactly `size` bytes. Raises `EntropyError` where `data` holds more or
            fewer, is damaged, or goes on after its end.
    """

    levels: tuple[int, int]
    compress: Callable[[bytes, int], bytes]
    decompress: Callable[[bytes, int, str], bytes]


def byte_codec(name: str) -> ByteCodec:
    """The codec of this name.

    Raises:
        EntropyError: there is none.
    """
    if name not in CODECS:
        raise EntropyError(f"no byte codec is called {name!r}; known: {', '.join(CODECS)}")
    return CODECS[name]


def compress(name: str, data: bytes, level: int) -> bytes:
    """`data` by the codec `name`.

    Raises:
        EntropyError: no such codec or level, or its package is missing.
    """
    low, high = byte_codec(name).levels
    if not low <= level <= high:
        raise EntropyError(f"level {level} of {name} is out of range; it takes {low} to {high}")
    return byte_codec(name).compress(data, level)


def decompress(name: str, data: bytes, size: int, place: str) -> bytes:
    """The `size` bytes that `data` holds; takes the memory of those and a bounded window.

    Raises:
        EntropyError: no such codec, its package is missing, or `data` is not just that; `place` says whose it is.
    """
    return byte_codec(name).decompress(data, size, place)


def _checked(data: bytes, size: int, over: bool, codec: str, place: str) -> bytes:
    if len(data) != size or not over:
        raise EntropyError(f"{place}: its {codec} data does not hold just {size} bytes; pack the model again")
    return data


def _damaged(codec: str, place: str, error: Exception) -> EntropyError:
    return EntropyError(f"{place}: damaged {codec} data ({error}); pack the model again")


def _compress_zlib(data: bytes, level: int) -> bytes:
    return zlib.compress(data, level)


def _decompress_zlib(data: bytes, size: int, place: str) -> bytes:
    reader = zlib.decompressobj()
    try:
        found = reader.decompress(data, size + 1)
    except zlib.error as error:
        raise _damaged("zlib", place, error) from error
    return _checked(found, size, reader.eof and not reader.unused_data, "zlib", place)


def _lzma_filters(level: int, size: int = _LZMA_DICTIONARY) -> list[Mapping[str, Any]]:
    """Of `size` bytes, with a dictionary no longer than them: making one takes time. Bytes have no alignment: pb 0."""
    extreme = lzma.PRESET_EXTREME if level == 9 else 0
    dictionary = min(max(size, _LZMA_LEAST), _LZMA_DICTIONARY)
    return [{"id": lzma.FILTER_LZMA2, "preset": level | extreme, "dict_size": dictionary, "pb": 0}]


def _compress_lzma(data: bytes, level: int) -> bytes:
    return lzma.compress(data, format=_LZMA_FORMAT, filters=_lzma_filters(level, len(data)))


def _decompress_lzma(data: bytes, size: int, place: str) -> bytes:
    reader = lzma.LZMADecompressor(format=_LZMA_FORMAT, filters=_lzma_filters(6))
    try:
        found = reader.decompress(data, size + 1)
    except lzma.LZMAError as error:
        raise _damaged("lzma", place, error) from error
    return _checked(found, size, reader.eof and not reader.unused_data, "lzma", place)


def _compress_brotli(data: bytes, level: int) -> bytes:
    return bytes(optional_package("brotli", "the codec brotli").compress(data, quality=level, lgwin=24))


def _decompress_brotli(data: bytes, size: int, place: str) -> bytes:
    """In steps, since a decompressor given no limit returns all that it can."""
    brotli = optional_package("brotli", "the codec brotli")
    reader = brotli.Decompressor()
    found, rest = bytearray(), data
    try:
        while not reader.is_finished() and len(found) <= size:
            step = reader.process(rest, output_buffer_limit=min(_CHUNK, size + 1 - len(found)))
            found += step
            rest = b""
            if not step:
                break
    except brotli.error as error:
        raise _damaged("brotli", place, error) from error
    return _checked(bytes(found), size, reader.is_finished(), "brotli", place)


CODECS: Mapping[str, ByteCodec] = {
    "zlib": ByteCodec((1, 9), _compress_zlib, _decompress_zlib),
    "brotli": ByteCodec((0, 11), _compress_brotli, _decompress_brotli),
    "lzma": ByteCodec((0, 9), _compress_lzma, _decompress_lzma),
}
