"""One zstd frame that declares its size: compressed reproducibly, decompressed only up to a known bound."""

from __future__ import annotations

import zstandard

from .errors import ArtifactError

CODES_MIN_MATCH = 6
"""Shortest match, in bytes, in a frame of codes. Levels 17 and up allow 3, where the optimal parser spends bits on
chance repeats; with 6 the entropy coder gets them: up to 0.4 % smaller, three times as fast. Readers need not know."""

MAX_RATIO = 2**17 // 4 + 1
"""A zstd block of at most 2^17 bytes takes at least 4, so no frame can expand further."""


def compress(data: bytes, level: int, min_match: int = 0) -> bytes:
    """`data` as one zstd frame with its content size and no checksum; the same bytes on every call of one libzstd.

    Args:
        min_match: shortest match in bytes; 0 leaves it to the level.

    Raises:
        ArtifactError: `level` outside 1..22.
    """
    if not 1 <= level <= zstandard.MAX_COMPRESSION_LEVEL:
        raise ArtifactError(f"quantization.codec.level is {level}; zstd takes 1 to {zstandard.MAX_COMPRESSION_LEVEL}")
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, source_size=len(data), min_match=min_match, write_content_size=True, write_checksum=False
    )
    return bytes(zstandard.ZstdCompressor(compression_params=parameters).compress(data))


def content_size(frame: bytes, place: str) -> int:
    """Bytes that `frame` declares to hold, checked to be possible for its length; nothing is allocated.

    Raises:
        ArtifactError: not a zstd frame, no size declared, a dictionary asked for, or an impossible size.
    """
    try:
        parameters = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError as error:
        raise ArtifactError(f"{place}: not a zstd frame; pack the model again") from error
    size = int(parameters.content_size)
    if size in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR) or parameters.dict_id:
        raise ArtifactError(f"{place}: its zstd frame declares no size or asks for a dictionary; pack the model again")
    if size > MAX_RATIO * len(frame):
        raise ArtifactError(
            f"{place}: {len(frame)} bytes of zstd cannot hold the declared {size}; pack the model again"
        )
    return size


def decompress(frame: bytes, size: int, place: str) -> bytes:
    """The `size` bytes of `frame`, which must be all of it.

    Raises:
        ArtifactError: the frame declares or holds another number of bytes, is damaged, or has bytes after its end.
    """
    declared = content_size(frame, place)
    if declared != size:
        raise ArtifactError(f"{place}: holds {declared} bytes where the header implies {size}; pack the model again")
    try:
        data = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ArtifactError(f"{place}: damaged zstd frame; pack the model again") from error
    if len(data) != size:
        raise ArtifactError(f"{place}: decompressed to {len(data)} bytes, not {size}; pack the model again")
    return bytes(data)
