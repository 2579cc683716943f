"""Which store takes how much of the data section: its own frame, and an estimated share of the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..quantize import EncodedStore
from .header import Header
from .layout import own_frames


def store_shares(header: Header, stores: Mapping[str, EncodedStore], frames: Sequence[bytes]) -> dict[str, int]:
    """Bytes by store. The pool is split in proportion to the order-0 entropy of the byte planes of the parts in it."""
    own = {name: len(frame) for name, frame in zip(own_frames(header), frames, strict=False)}
    pooled = {
        name: sum(
            _entropy(part, store, kind) for kind, part in store.parts.items() if kind != "codes" or name not in own
        )
        for name, store in stores.items()
    }
    scale = len(frames[len(own)]) / max(sum(pooled.values()), 1.0)
    return {name: own.get(name, 0) + round(scale * pooled[name]) for name in stores}


def _entropy(part: bytes, store: EncodedStore, kind: str) -> float:
    """Order-0 entropy in bytes."""
    width = 1 if kind == "codes" else 4 if store.scheme.kind == "float32" else 2
    planes = np.frombuffer(part, np.uint8).reshape(-1, width).T
    total = 0.0
    for plane in planes:
        counts = np.bincount(plane)
        counts = counts[counts > 0]
        total -= float((counts * np.log2(counts / plane.size)).sum()) / 8
    return total
