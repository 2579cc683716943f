"""The artifact file, bytes to contents and back; FORMAT.md is its description byte by byte."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from math import prod

from ..quantize import EncodedStore
from .codecs import decompress
from .contents import ArtifactContents
from .errors import ArtifactError
from .header import CODES, POOL, TOKENIZER, Header
from .header_json import header_from_json
from .matrices import code_matrices, decode_matrices
from .pool import pool_bytes, split_pool
from .streams import split_streams
from .zstd import content_size
from .zstd import decompress as decompress_zstd

MAGIC = b"\x89LSPEC\r\n"
FORMAT_VERSION = 3
PREAMBLE = struct.Struct("<8sIII")  # magic, format version, the file's length, the header's length
DIGEST_BYTES = 32
MAX_HEADER_BYTES = 2 * 2**20
MAX_PLAIN_BYTES = 2**30
FREE_PLAIN_BYTES, MAX_EXPANSION = 2**26, 2**10
"""A file of n bytes holds at most FREE_PLAIN_BYTES + MAX_EXPANSION * n, and at most MAX_PLAIN_BYTES, decompressed."""

MAX_LINES = 2**20
"""Rows and columns of all matrices of codes together: rANS has an exponent for each, read one by one."""

MAX_TERMS = 2**31
"""Products that all low-rank terms take to decode: elements times rank."""

EARLIER_READERS = {1: "0.1.0", 2: "0.1.0"}
"""Format version -> the last version of loopspec that reads it."""


@dataclass(frozen=True, slots=True)
class Container:
    """A file whose hashes and header are sound and whose streams are still encoded.

    Attributes:
        header_bytes: of the compressed header.
        payloads: by stream.
    """

    header: Header
    file_bytes: int
    header_bytes: int
    payloads: dict[str, bytes]


def parse_artifact(whole: bytes, name: str) -> ArtifactContents:
    """The contents of an artifact's bytes; `name` is the file that messages speak of.

    Raises:
        ArtifactError: anything but a sound artifact of this format version. Sizes are checked before anything of such
            a size is allocated; see `check_sizes`.
    """
    return decode_container(open_container(whole, name), name)


def open_container(whole: bytes, name: str) -> Container:
    """Checks the digests and reads the header. Raises as `parse_artifact`."""
    head, section = _split_file(whole, name)
    place = f"{name}, header"
    size = content_size(head, place)
    if size > MAX_HEADER_BYTES:
        raise ArtifactError(
            f"{place}: {size} bytes of JSON; at most {MAX_HEADER_BYTES} are read, so pack a smaller spec"
        )
    header = header_from_json(decompress_zstd(head, size, place), place)
    check_sizes(header, len(whole), place)
    check_lines(header, place)
    check_terms(header, place)
    payloads = split_streams(section, list(header.streams), f"{name}, data section")
    return Container(header, len(whole), len(head), payloads)


def decode_container(container: Container, name: str) -> ArtifactContents:
    """Decodes every stream. Raises as `parse_artifact`."""
    header = container.header
    tensors = _tensors(container, name)
    tokenizer, sha256 = None, header.tokenizer_sha256
    if header.tokenizer_bytes is not None:
        tokenizer = _plain(container, TOKENIZER, header.tokenizer_bytes, name)
        sha256 = hashlib.sha256(tokenizer).hexdigest()
    return ArtifactContents(
        spec=header.spec,
        stores={entry.name: tensors[entry.name] for entry in header.stores},
        states={entry.name: tensors[entry.name] for entry in header.states},
        tokenizer=tokenizer,
        tokenizer_sha256=sha256,
        provenance=header.provenance,
        loopspec_version=header.loopspec_version,
    )


def check_sizes(header: Header, file_bytes: int, place: str) -> None:
    """Raises ArtifactError where the tables imply more than a file of this length may hold, or a reader reads."""
    codes = sum(matrix.bytes for matrix in code_matrices(header.entries))
    plain = codes + pool_bytes(header.entries) + (header.tokenizer_bytes or 0)
    most = min(MAX_PLAIN_BYTES, FREE_PLAIN_BYTES + MAX_EXPANSION * file_bytes)
    if plain > most:
        raise ArtifactError(
            f"{place}: its shapes imply {plain} bytes; of a file of {file_bytes} bytes at most {most} are read; pack "
            "a smaller model"
        )


def check_terms(header: Header, place: str) -> None:
    """Raises ArtifactError where low-rank terms take more products than a reader computes."""
    terms = sum(prod(entry.shape) * entry.storage.error_rank for entry in header.entries)
    if terms > MAX_TERMS:
        raise ArtifactError(
            f"{place}: its low-rank terms take {terms} products to decode; at most {MAX_TERMS} are computed; pack with "
            "a smaller error_rank"
        )


def check_lines(header: Header, place: str) -> None:
    """Raises ArtifactError where matrices of codes have more rows and columns than a reader reads."""
    lines = sum(sum(matrix.shape) for matrix in code_matrices(header.entries))
    if lines > MAX_LINES:
        raise ArtifactError(
            f"{place}: its matrices have {lines} rows and columns; at most {MAX_LINES} are read; pack a smaller model"
        )


def _tensors(container: Container, name: str) -> dict[str, EncodedStore]:
    header = container.header
    pool = _plain(container, POOL, pool_bytes(header.entries), name)
    parts = split_pool(header.entries, pool)
    if CODES in header.streams:
        matrices = code_matrices(header.entries)
        shapes = [matrix.shape for matrix in matrices]
        place = f"{name}, {CODES}"
        arrays = decode_matrices(container.payloads[CODES], header.streams[CODES], shapes, place)
        for matrix, array in zip(matrices, arrays, strict=True):
            parts[matrix.store][matrix.part] = array.tobytes()
    return {
        entry.name: EncodedStore(entry.name, entry.shape, entry.storage, parts[entry.name]) for entry in header.entries
    }


def _plain(container: Container, stream: str, size: int, name: str) -> bytes:
    return decompress(container.payloads[stream], container.header.streams[stream], size, f"{name}, {stream}")


def _split_file(whole: bytes, name: str) -> tuple[bytes, bytes]:
    """The compressed header and the data section, after magic, version, lengths and digest have been checked."""
    if not whole.startswith(MAGIC):
        raise ArtifactError(f"{name}: does not start with an artifact's magic bytes; give a file that `pack` wrote")
    if len(whole) < PREAMBLE.size + DIGEST_BYTES:
        raise ArtifactError(f"{name}: only {len(whole)} bytes, cut short; copy or pack it again")
    _, version, file_bytes, head_bytes = PREAMBLE.unpack_from(whole)
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"{name}: format version {version}; this loopspec reads {FORMAT_VERSION}, {_reader(version)}"
        )
    if file_bytes != len(whole):
        raise ArtifactError(f"{name}: {len(whole)} bytes where its preamble says {file_bytes}; copy or pack it again")
    if hashlib.sha256(memoryview(whole)[:-DIGEST_BYTES]).digest() != whole[-DIGEST_BYTES:]:
        raise ArtifactError(f"{name}: damaged, its SHA-256 does not match; copy or pack it again")
    start = PREAMBLE.size + head_bytes
    if start > len(whole) - DIGEST_BYTES:
        raise ArtifactError(f"{name}: its header of {head_bytes} bytes reaches past the end; pack it again")
    return whole[PREAMBLE.size : start], whole[start:-DIGEST_BYTES]


def _reader(version: int) -> str:
    if version in EARLIER_READERS:
        return f"loopspec {EARLIER_READERS[version]} reads this one; pack the run again to use it here"
    return "use the one that wrote it"
