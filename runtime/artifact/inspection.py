"""What is in an artifact and what it weighs, store by store; with numpy and zstandard alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ..quantize import EncodedStore
from ..quantize.storage import CODES, LEFT, RIGHT, STEPS, Storage
from .container import Container, decode_container
from .contents import ArtifactContents
from .errors import ArtifactError
from .shares import plane_entropy, store_shares

MOST_LEVELS = 127
"""Of the codes of a low-rank term."""


@dataclass(frozen=True, slots=True)
class StoreWeight:
    """One store or state, and what it takes.

    Attributes:
        bytes: its estimated part of the streams.
        entropy: bits a weight that an ideal order-0 coder takes for its codes or values, byte plane by byte plane.
        largest: largest magnitude of its codes; 0 of floats.
        step_bytes: of the steps of an `integer` store, before compression.
    """

    name: str
    shape: tuple[int, ...]
    storage: Storage
    bytes: int
    entropy: float
    largest: int
    step_bytes: int

    @property
    def elements(self) -> int:
        """Weights; a scalar is one."""
        return prod(self.shape)

    @property
    def bits(self) -> float:
        """Bits a weight, all parts counted."""
        return 8 * self.bytes / self.elements


@dataclass(frozen=True, slots=True)
class Inspection:
    """An artifact's sizes.

    Attributes:
        fixed_bytes: preamble, lengths and digests.
        stores: with states after stores, in table order.
    """

    contents: ArtifactContents
    container: Container
    fixed_bytes: int
    stores: tuple[StoreWeight, ...]

    @property
    def weights(self) -> int:
        """Weights of all stores, states left out."""
        return sum(each.elements for each in self.stores if each.name in self.contents.stores)


def inspect_container(container: Container, name: str) -> Inspection:
    """Decodes the container and weighs its stores. Raises ArtifactError as `parse_artifact`."""
    contents = decode_container(container, name)
    for store in contents.tensors.values():
        _check_codes(store, name)
    shares = store_shares(container.header, contents.tensors, container.payloads)
    streams = sum(map(len, container.payloads.values()))
    fixed = container.file_bytes - container.header_bytes - streams
    stores = tuple(_weighed(store, shares[store.name]) for store in contents.tensors.values())
    return Inspection(contents, container, fixed, stores)


def storage_text(storage: Storage) -> str:
    """A storage in a few characters: `int6/row`, `grid`, `float16`."""
    if storage.kind != "integer":
        return storage.kind
    bits = (storage.levels + 1).bit_length()
    name = f"int{bits}" if storage.levels == 2 ** (bits - 1) - 1 and bits > 2 else f"+-{storage.levels}"
    share = f"{storage.group} columns" if storage.steps == "group" else storage.steps
    wide = " float32" if storage.step_dtype == "float32" else ""
    return f"{name}/{share}{wide}" + (f" rank {storage.error_rank}" if storage.error_rank else "")


def _check_codes(store: EncodedStore, name: str) -> None:
    """A byte codec can hold any code, and decoding to weights, which would find it, is not done here."""
    for part in (CODES, LEFT, RIGHT):
        if part in store.parts:
            codes = np.frombuffer(store.parts[part], np.int8)
            most = store.storage.levels if part == CODES else MOST_LEVELS
            if codes.min() < -most or codes.max() > most:
                raise ArtifactError(f"{name}, store {store.name}: a code lies outside -{most}..{most}; pack it again")


def _weighed(store: EncodedStore, size: int) -> StoreWeight:
    if CODES in store.parts:
        codes = np.frombuffer(store.parts[CODES], np.uint8)
        entropy = 8 * plane_entropy(codes) / codes.size
        largest = int(np.abs(codes.view(np.int8).astype(np.int16)).max())
    else:
        width = 2 if store.storage.kind == "float16" else 4
        planes = np.frombuffer(store.parts["values"], np.uint8).reshape(-1, width).T
        entropy = 8 * sum(plane_entropy(plane) for plane in planes) / planes.shape[1]
        largest = 0
    steps = len(store.parts.get(STEPS, b""))
    return StoreWeight(store.name, store.shape, store.storage, size, entropy, largest, steps)
