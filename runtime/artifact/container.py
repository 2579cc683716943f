"""The artifact file, bytes to contents and back; FORMAT.md is its description byte by byte."""

from __future__ import annotations

import hashlib
import struct

from ...compiler.spec.quantization import Codec
from ..quantize import QuantizeError, check_parts
from .contents import ArtifactContents, ArtifactSummary
from .errors import ArtifactError
from .header import CODECS, Header, check_header, header_from_json, header_of, header_to_json
from .layout import frame_sizes, join_frames, own_frames, split_frames
from .section import compress_frames, join_section, split_section
from .shares import store_shares
from .zstd import compress, content_size, decompress

MAGIC = b"\x89LSPEC\r\n"
FORMAT_VERSION = 2
PREAMBLE = struct.Struct("<8sIQQ")  # magic, format version, header length, data length
DIGEST_BYTES = 32
MAX_HEADER_BYTES = 16 * 2**20
MAX_SECTION_BYTES = 2**30


def build_artifact(contents: ArtifactContents, codec: Codec) -> tuple[bytes, ArtifactSummary]:
    """The artifact's bytes, the same on every call with one libzstd, and their summary.

    Raises:
        ArtifactError: contents that the format cannot hold, or an unknown codec.
    """
    if codec.kind not in CODECS:
        raise ArtifactError(f"quantization.codec.kind is {codec.kind!r}; known are {', '.join(CODECS)}")
    header = header_of(contents)
    _check_contents(contents, header)
    text, expected = header_to_json(header, "contents"), sum(frame_sizes(header))
    if len(text) > MAX_HEADER_BYTES or expected > MAX_SECTION_BYTES:
        raise ArtifactError(
            f"contents: header of {len(text)} and data of {expected} bytes; at most {MAX_HEADER_BYTES} and "
            f"{MAX_SECTION_BYTES} can be read back, so make the model smaller"
        )
    plain = join_frames(header, contents.tensors, contents.tokenizer)
    frames = compress_frames(plain, len(own_frames(header)), codec.level)
    head, data = compress(text, codec.level), join_section(frames)
    body = PREAMBLE.pack(MAGIC, FORMAT_VERSION, len(head), len(data)) + head + data
    whole = body + hashlib.sha256(body).digest()
    shares = store_shares(header, contents.tensors, frames)
    return whole, ArtifactSummary(len(whole), len(head), len(data), hashlib.sha256(whole).hexdigest(), shares)


def parse_artifact(whole: bytes, name: str) -> ArtifactContents:
    """The contents of an artifact's bytes; `name` is the file that messages speak of.

    Raises:
        ArtifactError: anything but a sound artifact of this format version. Nothing larger than `whole` is allocated
            before its size has been checked.
    """
    head, data = _split_file(whole, name)
    text_bytes = content_size(head, f"{name}, header")
    if text_bytes > MAX_HEADER_BYTES:
        raise ArtifactError(f"{name}, header: {text_bytes} bytes of JSON; at most {MAX_HEADER_BYTES} are read")
    header = header_from_json(decompress(head, text_bytes, f"{name}, header"), f"{name}, header")
    sizes = frame_sizes(header)
    expected = sum(sizes)
    if expected > MAX_SECTION_BYTES:
        raise ArtifactError(f"{name}, header: its shapes imply {expected} bytes; at most {MAX_SECTION_BYTES} are read")
    tensors, tokenizer = split_frames(header, split_section(data, sizes, f"{name}, data section"))
    _check_tokenizer(tokenizer, header.tokenizer_sha256, f"{name}, tokenizer")
    return ArtifactContents(
        spec=header.spec,
        stores={entry.name: tensors[entry.name] for entry in header.stores},
        states={entry.name: tensors[entry.name] for entry in header.states},
        tokenizer=tokenizer,
        tokenizer_sha256=header.tokenizer_sha256,
        provenance=header.provenance,
        loopspec_version=header.loopspec_version,
    )


def _split_file(whole: bytes, name: str) -> tuple[bytes, bytes]:
    """The compressed header and data section, after magic, version, lengths and digest have been checked."""
    if not whole.startswith(MAGIC):
        raise ArtifactError(f"{name}: does not start with an artifact's magic bytes; give a file that `pack` wrote")
    if len(whole) < PREAMBLE.size + DIGEST_BYTES:
        raise ArtifactError(f"{name}: only {len(whole)} bytes, cut short; copy or pack it again")
    _, version, head_bytes, data_bytes = PREAMBLE.unpack_from(whole)
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"{name}: format version {version}; this loopspec reads {FORMAT_VERSION}, use a matching one"
        )
    promised = PREAMBLE.size + head_bytes + data_bytes + DIGEST_BYTES
    if promised != len(whole):
        raise ArtifactError(f"{name}: {len(whole)} bytes where its preamble says {promised}; copy or pack it again")
    if hashlib.sha256(memoryview(whole)[:-DIGEST_BYTES]).digest() != whole[-DIGEST_BYTES:]:
        raise ArtifactError(f"{name}: damaged, its SHA-256 does not match; copy or pack it again")
    if head_bytes > MAX_HEADER_BYTES:
        raise ArtifactError(f"{name}: header of {head_bytes} bytes; at most {MAX_HEADER_BYTES} are read")
    start = PREAMBLE.size + head_bytes
    return whole[PREAMBLE.size : start], whole[start:-DIGEST_BYTES]


def _check_contents(contents: ArtifactContents, header: Header) -> None:
    check_header(header, "contents")
    _check_tokenizer(contents.tokenizer, contents.tokenizer_sha256, "contents, tokenizer")
    for name, store in (*contents.stores.items(), *contents.states.items()):
        if name != store.name:
            raise ArtifactError(f"contents: key {name} holds store {store.name}; use its own name")
        try:
            check_parts(store)
        except QuantizeError as error:
            raise ArtifactError(f"contents: {error}") from error


def _check_tokenizer(tokenizer: bytes | None, sha256: str, place: str) -> None:
    if tokenizer is not None and hashlib.sha256(tokenizer).hexdigest() != sha256:
        raise ArtifactError(
            f"{place}: its SHA-256 is not the {sha256 or 'empty one'} stated; pack with the right model"
        )
