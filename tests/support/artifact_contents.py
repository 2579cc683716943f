"""Small artifacts, made without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from loopspec.compiler.plan import Plan
from loopspec.compiler.spec.quantization import Clip, Scheme, Step
from loopspec.runtime.artifact import ArtifactContents
from loopspec.runtime.quantize import EncodedStore, Storage, encode, part_bytes, storage_of

INT6, INT8 = Scheme("integer", 6, Clip("std", 12.85)), Scheme("integer", 8, Clip("absmax"))
INT2, BY_STORE = Scheme("integer", 2, Clip("absmax")), Scheme("integer", 5, Clip("absmax"), Step("store"))
FLOAT16, FLOAT32 = Scheme("float16"), Scheme("float32")
TOKENIZER = b"tokenizer model"

STORAGES = [
    Storage("integer", 31),
    Storage("integer", 127, "store"),
    Storage("integer", 1, "group", 3),
    Storage("integer", 7, "group", 100, "float32", 2),
    Storage("integer", 19, "row", 0, "float32"),
    Storage("integer", 31, error_rank=1),
    Storage("grid", 127),
    Storage("float16"),
    Storage("float32"),
]
"""One of each layout that there is."""


def contents_of(stores: Sequence[EncodedStore], tokenizer: bytes | None = TOKENIZER) -> ArtifactContents:
    """Contents with these stores and a spec that has one of every kind of value."""
    return ArtifactContents(
        spec={"name": "tiny", "model": {"dim": 8, "rate": 3e-4, "tied": True, "none": None, "list": [1, "é"]}},
        stores={store.name: store for store in stores},
        tokenizer=tokenizer,
        tokenizer_sha256=hashlib.sha256(TOKENIZER if tokenizer is None else tokenizer).hexdigest(),
        provenance={"corpus": "stdlib", "validation": "abc"},
    )


def quantized(*shapes_and_schemes: tuple[tuple[int, ...], Scheme], seed: int = 0) -> list[EncodedStore]:
    """Gaussian weights of these shapes, named `blocks.core.0.part` and so on."""
    rng = np.random.default_rng(seed)
    return [
        encode(f"blocks.core.{i}.part", rng.standard_normal(shape), scheme)
        for i, (shape, scheme) in enumerate(shapes_and_schemes)
    ]


def filled(*shapes_and_storages: tuple[tuple[int, ...], Storage], seed: int = 0) -> list[EncodedStore]:
    """Stores whose parts are random bytes, codes small, named as by `quantized`; not all of them decode."""
    rng = np.random.default_rng(seed)
    return [
        EncodedStore(f"blocks.core.{i}.part", shape, storage, _parts(rng, shape, storage))
        for i, (shape, storage) in enumerate(shapes_and_storages)
    ]


def _parts(rng: np.random.Generator, shape: tuple[int, ...], storage: Storage) -> dict[str, bytes]:
    return {
        part: rng.integers(-1, 2, length).astype(np.int8).tobytes() if part in CODED else rng.bytes(length)
        for part, length in part_bytes(shape, storage).items()
    }


CODED = ("codes", "left", "right")


def with_states(contents: ArtifactContents, *shapes: tuple[int, ...]) -> ArtifactContents:
    """The contents with states of these shapes, named `stages.trunk.state_0` and so on."""
    rng = np.random.default_rng(1)
    names = [f"stages.trunk.state_{i}" for i in range(len(shapes))]
    values: list[Any] = [rng.standard_normal(shape) for shape in shapes]
    states = {name: encode(name, value, FLOAT32) for name, value in zip(names, values, strict=True)}
    return replace(contents, states=states)


def small() -> ArtifactContents:
    """Four stores and a state: a scalar, a vector, a matrix, a tensor."""
    stores = quantized(((), FLOAT16), ((3,), FLOAT32), ((4, 8), INT6), ((2, 2, 2), INT8))
    return with_states(contents_of(stores), (4,))


def contents_of_plan(plan: Plan) -> ArtifactContents:
    """What an artifact of this plan holds, with small codes and steps of about a hundredth; it decodes."""
    rng = np.random.default_rng(0)
    stores = {
        store.name: EncodedStore(store.name, store.shape, storage, _sound_parts(rng, store.shape, storage))
        for store in plan.exported_stores
        for storage in [storage_of(store.scheme)]
    }
    states = {
        state.name: encode(state.name, np.ones(state.shape, np.float32), FLOAT32) for state in plan.exported_states
    }
    return ArtifactContents(plan.spec.plain, stores, None, "", {}, states)


def _sound_parts(rng: np.random.Generator, shape: tuple[int, ...], storage: Storage) -> dict[str, bytes]:
    return {part: _sound_part(rng, part, length, storage) for part, length in part_bytes(shape, storage).items()}


def _sound_part(rng: np.random.Generator, part: str, length: int, storage: Storage) -> bytes:
    if part in CODED:
        spread = rng.standard_normal(length) * storage.levels / 4
        return bytes(np.rint(spread).clip(-storage.levels, storage.levels).astype(np.int8).tobytes())
    if part in ("rows", "columns"):
        return bytes(length)
    wide = part == "base" or storage.kind == "float32" or (part == "steps" and storage.step_dtype == "float32")
    return bytes(np.full(length // (4 if wide else 2), 0.01, np.float32 if wide else np.float16).tobytes())
