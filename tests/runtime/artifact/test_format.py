"""FORMAT.md against the project's reader: one that was written from it alone decodes the same."""

from __future__ import annotations

import numpy as np
import pytest
from support.artifact_contents import CODED, FLOAT16, INT6, STORAGES, contents_of, quantized, with_states
from support.artifact_forge import taken_apart
from support.independent_reader import rans, read

from loopspec.compiler.spec.quantization import Codec
from loopspec.runtime.artifact import ArtifactContents, build_artifact, parse_artifact
from loopspec.runtime.entropy import decode_codes, encode_codes
from loopspec.runtime.quantize import EncodedStore, Storage, decode, part_bytes

CODECS = [Codec("rans"), Codec("zstd", 3), Codec("zlib", 6), Codec("lzma", 6), Codec("brotli", 5)]
IDS = [codec.kind for codec in CODECS]
TIED = [(20, 17), (17, 20), (20, 20), (1, 20), (20,), (2, 3, 4), ()]
"""Axes of as many entries, of which one gives the other's exponents their contexts, and shapes of no axes."""


def stores_of(shape: tuple[int, ...]) -> list[EncodedStore]:
    """One of each storage, with parts that decode."""
    rng = np.random.default_rng(len(shape))
    return [
        EncodedStore(f"blocks.{number}", shape, storage, parts_of(rng, shape, storage))
        for number, storage in enumerate(STORAGES)
    ]


def parts_of(rng: np.random.Generator, shape: tuple[int, ...], storage: Storage) -> dict[str, bytes]:
    return {part: part_of(rng, part, size, storage) for part, size in part_bytes(shape, storage).items()}


def part_of(rng: np.random.Generator, part: str, size: int, storage: Storage) -> bytes:
    if part in CODED:
        top = storage.levels if part == "codes" else 127
        return bytes(np.rint(rng.standard_normal(size) * top / 4).clip(-top, top).astype(np.int8).tobytes())
    if part in ("rows", "columns"):
        return bytes(rng.integers(-60, 61, size).astype(np.int8).tobytes())
    wide = part == "base" or storage.kind == "float32" or (part == "steps" and storage.step_dtype == "float32")
    words = np.abs(rng.standard_normal(size // (4 if wide else 2)))
    return bytes(words.astype(np.float32 if wide else np.float16).tobytes())


def matrix(rng: np.random.Generator, rows: int, cols: int, scale: float, step: int = 1) -> np.ndarray:
    """Codes with variance by row and by column; of `step` only the multiples occur."""
    spread = scale * np.exp(rng.normal(0, 0.5, (rows, 1))) * np.exp(rng.normal(0, 0.5, (1, cols)))
    codes = np.rint(rng.standard_normal((rows, cols)) * spread) * step
    return codes.clip(-127, 127).astype(np.int8)


def same(contents: ArtifactContents, codec: Codec) -> None:
    whole, _ = build_artifact(contents, codec)
    header, weights, tokenizer = read(whole)
    own = parse_artifact(whole, "x")
    assert header == taken_apart(whole)[0] and tokenizer == own.tokenizer
    assert list(weights) == list(own.tensors)
    for name, store in own.tensors.items():
        theirs, ours = weights[name], decode(store)
        assert theirs.dtype == ours.dtype and theirs.shape == ours.shape
        assert theirs.tobytes() == ours.tobytes(), name


def same_codes(*matrices: np.ndarray) -> None:
    shapes = [each.shape for each in matrices]
    payload = encode_codes(matrices)
    for given, theirs, ours in zip(matrices, rans(payload, shapes), decode_codes(payload, shapes, "x"), strict=True):
        assert np.array_equal(theirs, ours) and np.array_equal(theirs, given)


@pytest.mark.parametrize("codec", CODECS, ids=IDS)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (18, 20)], ids=str)
def test_every_storage_by_every_codec(shape, codec):
    same(with_states(contents_of(stores_of(shape)), (4,), (2, 2), ()), codec)


@pytest.mark.parametrize("codec", CODECS[1:], ids=IDS[1:])
def test_matrices_with_frames_of_their_own(codec):
    same(contents_of(quantized(((128, 128), INT6), ((5, 3), INT6), ((130, 140), INT6), ((9,), FLOAT16)), None), codec)


def test_no_codes():
    same(contents_of(quantized(((3, 4), FLOAT16)), b""), Codec("rans"))


def test_zeros_take_no_symbols():
    same_codes(np.zeros((30, 40), np.int8))
    rng = np.random.default_rng(3)
    same_codes(np.zeros((30, 40), np.int8), matrix(rng, 20, 20, 3), np.zeros((1, 1), np.int8))


@pytest.mark.parametrize("rows, cols", [(1, 1), (25, 40), (3000, 1), (100, 200)])
def test_streams_of_some_lanes(rows, cols):
    same_codes(matrix(np.random.default_rng(rows), rows, cols, 4.0))


def test_where_no_code_is_zero():
    same_codes(np.abs(matrix(np.random.default_rng(2), 20, 20, 3.0)) | 1)


def test_many_matrices_with_tied_sizes_and_magnitudes_that_do_not_occur():
    rng = np.random.default_rng(5)
    shapes = [(*shape, 1, 1)[:2] for shape in TIED] + [(16, 15), (15, 16), (16, 16)]
    same_codes(
        *(matrix(rng, *shape, scale, step) for scale, step in ((0.4, 1), (20.0, 1), (5.0, 3)) for shape in shapes)
    )


@pytest.mark.torture
@pytest.mark.parametrize("rows, cols", [(250, 400), (100_000, 1), (735, 1000), (1, 735_000)])
@pytest.mark.parametrize("scale, step", [(0.3, 1), (1.5, 1), (6.0, 2), (60.0, 1)])
def test_long_streams(rows, cols, scale, step):
    same_codes(matrix(np.random.default_rng(cols), rows, cols, scale, step))


@pytest.mark.torture
@pytest.mark.parametrize("codec", CODECS, ids=IDS)
@pytest.mark.parametrize("shape", [(130, 140), (140, 130), (735, 1000)], ids=str)
def test_large_stores(shape, codec):
    same(contents_of(stores_of(shape)), codec)


@pytest.mark.torture
def test_random_sets_of_matrices():
    rng = np.random.default_rng(7)
    for _ in range(60):
        shapes = rng.integers(1, 60, (rng.integers(1, 9), 2))
        scales = np.exp(rng.uniform(-2, 4.5, len(shapes)))
        steps = rng.integers(1, 4, len(shapes))
        same_codes(*(matrix(rng, *map(int, each), *rest) for each, *rest in zip(shapes, scales, steps, strict=True)))
