"""The codecs of streams by name, each with its own faults turned into ArtifactError."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..entropy import EntropyError, byte_codecs, constriction_codec, decode_codes, encode_codes
from . import zstd
from .errors import ArtifactError

ZSTD_LEVEL, LZMA_LEVEL = 22, 9
LZMA_AT_MOST = 2**22
"""Streams up to this long are tried with lzma: 5 % less for steps, 11 % less for a tokenizer, but a second a MiB."""

MATRIX_ENCODERS = {"rans": encode_codes, "constriction": constriction_codec.encode_codes}
MATRIX_DECODERS = {"rans": decode_codes, "constriction": constriction_codec.decode_codes}
"""Coders of all matrices in one. Apart, so that a script that only reads has no encoder in it."""


def encode_together(matrices: Sequence[npt.NDArray[np.int8]], codec: str) -> bytes:
    """All matrices by one of `MATRIX_ENCODERS`."""
    try:
        return MATRIX_ENCODERS[codec](matrices)
    except EntropyError as error:
        raise ArtifactError(f"contents, codes: {error}") from error


def decode_together(
    payload: bytes, codec: str, shapes: Sequence[tuple[int, int]], place: str
) -> list[npt.NDArray[np.int8]]:
    """Undoes `encode_together` for matrices of these shapes; raises ArtifactError for any other bytes."""
    try:
        return MATRIX_DECODERS[codec](payload, shapes, place)
    except EntropyError as error:
        raise ArtifactError(_starting(place, error)) from error


def compress(data: bytes, codec: str, level: int, *, codes: bool = False) -> bytes:
    """`data` by a byte compressor; `codes` says that it is nothing but codes."""
    if codec == "zstd":
        return zstd.compress(data, level, zstd.CODES_MIN_MATCH if codes else 0)
    try:
        return byte_codecs.compress(codec, data, level)
    except EntropyError as error:
        raise ArtifactError(f"contents, by {codec}: {error}") from error


def decompress(data: bytes, codec: str, size: int, place: str) -> bytes:
    """Undoes `compress`. Raises ArtifactError for anything that is not exactly `size` bytes."""
    if codec == "zstd":
        return zstd.decompress(data, size, place)
    try:
        return byte_codecs.decompress(codec, data, size, place)
    except EntropyError as error:
        raise ArtifactError(_starting(place, error)) from error


def smallest(data: bytes, level: int) -> tuple[str, bytes]:
    """(Codec, payload): zstd, or lzma where that is smaller and the data not long."""
    packed = {"zstd": compress(data, "zstd", level)}
    if len(data) <= LZMA_AT_MOST:
        packed["lzma"] = compress(data, "lzma", LZMA_LEVEL)
    codec = min(packed, key=lambda name: len(packed[name]))
    return codec, packed[codec]


def _starting(place: str, error: EntropyError) -> str:
    text = str(error)
    return text if text.startswith(place) else f"{place}: {text}"
