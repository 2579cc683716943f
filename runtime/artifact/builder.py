"""Contents to the artifact's bytes, in two stages: everything but the codes, which bisection keeps, and the codes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Codec
from ..quantize import QuantizeError, check_parts
from .codecs import ZSTD_LEVEL, smallest
from .container import (
    DIGEST_BYTES,
    FORMAT_VERSION,
    MAGIC,
    MAX_HEADER_BYTES,
    PREAMBLE,
    check_lines,
    check_sizes,
    check_terms,
)
from .contents import ArtifactContents, ArtifactSummary
from .errors import ArtifactError
from .header import CODECS, CODES, POOL, TOKENIZER, Header, check_header, header_of
from .header_json import header_to_json
from .matrices import code_array, code_matrices, encode_matrices
from .pool import join_pool
from .shares import store_shares
from .streams import PREFIX, join_streams
from .zstd import compress as compress_zstd


@dataclass(frozen=True, slots=True)
class Frame:
    """An artifact without the payload of its codes; good for any contents that differ in nothing but codes.

    Attributes:
        head: the compressed header.
        payloads: of the streams but `codes`, in the file's order.
    """

    header: Header
    head: bytes
    payloads: dict[str, bytes]
    codec: Codec

    @property
    def fixed_bytes(self) -> int:
        """What an artifact takes beside the payload of its codes."""
        streams = len(self.header.streams) * PREFIX.size + sum(map(len, self.payloads.values()))
        return PREAMBLE.size + len(self.head) + streams + DIGEST_BYTES


def build_artifact(
    contents: ArtifactContents, codec: Codec, frame: Frame | None = None
) -> tuple[bytes, ArtifactSummary]:
    """The artifact's bytes, the same on every call with the same libraries, and their summary.

    Args:
        frame: of contents that differ in nothing but codes; saves its making.

    Raises:
        ArtifactError: contents that the format cannot hold, or an unknown codec.
    """
    frame = build_frame(contents, codec) if frame is None else frame
    return assemble(contents, frame, build_codes(contents, codec))


def build_frame(contents: ArtifactContents, codec: Codec) -> Frame:
    """All but the codes. Raises as `build_artifact`."""
    if codec.kind not in CODECS[CODES]:
        raise ArtifactError(f"quantization.codec.kind is {codec.kind!r}; known are {', '.join(CODECS[CODES])}")
    _check_tensors(contents)
    level = codec.level if codec.kind == "zstd" else ZSTD_LEVEL
    entries = header_of(contents, {}).entries
    packed = {POOL: smallest(join_pool(entries, contents.tensors), level)}
    if contents.tokenizer is not None:
        packed[TOKENIZER] = smallest(contents.tokenizer, level)
    codecs = {CODES: str(codec.kind)} if code_matrices(entries) else {}
    header = header_of(contents, codecs | {stream: name for stream, (name, _) in packed.items()})
    check_lines(header, "contents")
    check_terms(header, "contents")
    head = compress_zstd(_header_text(header), level)
    return Frame(header, head, {stream: payload for stream, (_, payload) in packed.items()}, codec)


def build_codes(contents: ArtifactContents, codec: Codec) -> bytes:
    """The payload of the codes; b"" where nothing is coded."""
    arrays = _code_arrays(contents)
    return encode_matrices(arrays, codec.kind, codec.level) if arrays else b""


def assemble(contents: ArtifactContents, frame: Frame, codes: bytes) -> tuple[bytes, ArtifactSummary]:
    """The artifact of a frame and its codes, and its summary. Raises as `build_artifact`."""
    payloads = ({CODES: codes} if CODES in frame.header.streams else {}) | frame.payloads
    data = join_streams(payloads)
    size = PREAMBLE.size + len(frame.head) + len(data) + DIGEST_BYTES
    body = PREAMBLE.pack(MAGIC, FORMAT_VERSION, size, len(frame.head)) + frame.head + data
    whole = body + hashlib.sha256(body).digest()
    check_sizes(frame.header, len(whole), "contents")
    summary = ArtifactSummary(
        bytes=len(whole),
        header_bytes=len(frame.head),
        data_bytes=len(data),
        sha256=hashlib.sha256(whole).hexdigest(),
        store_bytes=store_shares(frame.header, contents.tensors, payloads),
        stream_bytes={stream: len(payload) for stream, payload in payloads.items()},
    )
    return whole, summary


def _code_arrays(contents: ArtifactContents) -> list[npt.NDArray[np.int8]]:
    matrices = code_matrices(header_of(contents, {}).entries)
    return [code_array(matrix, contents.tensors) for matrix in matrices]


def _header_text(header: Header) -> bytes:
    check_header(header, "contents")
    text = header_to_json(header, "contents")
    if len(text) > MAX_HEADER_BYTES:
        raise ArtifactError(
            f"contents: header of {len(text)} bytes; at most {MAX_HEADER_BYTES} can be read back, so make the spec "
            "or the number of stores smaller"
        )
    return text


def _check_tensors(contents: ArtifactContents) -> None:
    tokenizer, sha256 = contents.tokenizer, contents.tokenizer_sha256
    if tokenizer is not None and hashlib.sha256(tokenizer).hexdigest() != sha256:
        stated = sha256 or "empty one"
        raise ArtifactError(f"contents, tokenizer: its SHA-256 is not the {stated} stated; pack with the right model")
    for name, store in (*contents.stores.items(), *contents.states.items()):
        if name != store.name:
            raise ArtifactError(f"contents: key {name} holds store {store.name}; use its own name")
        try:
            check_parts(store)
        except QuantizeError as error:
            raise ArtifactError(f"contents: {error}") from error
