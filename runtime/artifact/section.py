"""The data section: length-prefixed zstd frames, one after another."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from .errors import ArtifactError
from .zstd import CODES_MIN_MATCH, compress, content_size, decompress

LENGTH = struct.Struct("<I")


def join_section(frames: Sequence[bytes]) -> bytes:
    """Each compressed frame after its length as u32."""
    return b"".join(LENGTH.pack(len(frame)) + frame for frame in frames)


def compress_frames(contents: Sequence[bytes], codes: int, level: int) -> list[bytes]:
    """Each content as a zstd frame; the first `codes` of them hold nothing but codes."""
    matches = [CODES_MIN_MATCH] * codes + [0] * (len(contents) - codes)
    return [compress(content, level, match) for content, match in zip(contents, matches, strict=True)]


def split_section(section: bytes, sizes: Sequence[int], place: str) -> list[bytes]:
    """The decompressed frames. Every frame's declared size is compared with `sizes` before any is decompressed.

    Raises:
        ArtifactError: frames that do not fill the section exactly, or do not hold exactly `sizes` bytes.
    """
    frames, offset = [], 0
    for index in range(len(sizes)):
        if len(section) - offset < LENGTH.size:
            raise ArtifactError(f"{place}: ends before frame {index} of {len(sizes)}; pack the model again")
        (length,) = LENGTH.unpack_from(section, offset)
        offset += LENGTH.size
        if length > len(section) - offset:
            raise ArtifactError(f"{place}, frame {index}: {length} bytes reach past the end; pack the model again")
        frames.append(section[offset : offset + length])
        offset += length
    if offset != len(section):
        raise ArtifactError(f"{place}: {len(section) - offset} bytes after the last frame; pack the model again")
    for index, (frame, size) in enumerate(zip(frames, sizes, strict=True)):
        where = f"{place}, frame {index}"
        declared = content_size(frame, where)
        if declared != size:
            raise ArtifactError(f"{where}: holds {declared} bytes where shapes imply {size}; pack the model again")
    return [
        decompress(frame, size, f"{place}, frame {index}")
        for index, (frame, size) in enumerate(zip(frames, sizes, strict=True))
    ]
