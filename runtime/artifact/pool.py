"""The pool: every part that is no matrix of codes, words of a kind together and split into byte planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..quantize import EncodedStore
from ..quantize.storage import (
    BASE,
    CODES,
    COLUMNS,
    LEFT,
    LEFT_STEPS,
    RIGHT,
    RIGHT_STEPS,
    ROWS,
    STEPS,
    VALUES,
    part_bytes,
)
from .header import StoreEntry

MATRICES = (CODES, LEFT, RIGHT)
"""Parts that are codes, and in no pool."""

PART_WIDTHS = {
    ROWS: (1,),
    COLUMNS: (1,),
    STEPS: (2, 4),
    LEFT_STEPS: (2,),
    RIGHT_STEPS: (2,),
    BASE: (4,),
    VALUES: (2, 4),
}
RUNS = ((1, ROWS), (1, COLUMNS), (2, STEPS), (4, STEPS), (4, BASE), (2, VALUES), (4, VALUES))
"""(Bytes a word, part) of the pool's runs, in their order; steps of error terms go among the others of their width."""


@dataclass(frozen=True, slots=True)
class PoolPart:
    """One part of one store: which run it belongs to, and its length in bytes."""

    entry: StoreEntry
    name: str
    run: int
    length: int

    @property
    def width(self) -> int:
        """Bytes a word."""
        return RUNS[self.run][0]


def pool_parts(entries: Sequence[StoreEntry]) -> list[PoolPart]:
    """The pool's parts in its order: by run, then as in the tables."""
    parts = [
        PoolPart(entry, name, _run(entry, name), length)
        for entry in entries
        for name, length in part_bytes(entry.shape, entry.storage).items()
        if name not in MATRICES
    ]
    return sorted(parts, key=lambda part: part.run)


def pool_bytes(entries: Sequence[StoreEntry]) -> int:
    """The pool's length."""
    return sum(part.length for part in pool_parts(entries))


def join_pool(entries: Sequence[StoreEntry], stores: Mapping[str, EncodedStore]) -> bytes:
    """The pool of these stores and states."""
    runs = groupby(pool_parts(entries), key=lambda part: part.run)
    return b"".join(_join_run([*run], stores) for _, run in runs)


def split_pool(entries: Sequence[StoreEntry], pool: bytes) -> dict[str, dict[str, bytes]]:
    """Part by name by store; `pool` has the length that `pool_bytes` gives."""
    parts: dict[str, dict[str, bytes]] = {entry.name: {} for entry in entries}
    offset = 0
    for _, group in groupby(pool_parts(entries), key=lambda part: part.run):
        run = [*group]
        length = sum(part.length for part in run)
        words = _from_planes(pool[offset : offset + length], run[0].width)
        offset, start = offset + length, 0
        for part in run:
            parts[part.entry.name][part.name] = words[start : start + part.length]
            start += part.length
    return parts


def word_width(entry: StoreEntry, part: str) -> int:
    """Bytes a word of a part that is no matrix of codes."""
    narrow, *wide = PART_WIDTHS[part]
    single = entry.storage.kind == "float32" or (part == STEPS and entry.storage.step_dtype == "float32")
    return wide[0] if wide and single else narrow


def _run(entry: StoreEntry, part: str) -> int:
    return RUNS.index((word_width(entry, part), STEPS if part in (LEFT_STEPS, RIGHT_STEPS) else part))


def _join_run(run: Sequence[PoolPart], stores: Mapping[str, EncodedStore]) -> bytes:
    words = b"".join(stores[part.entry.name].parts[part.name] for part in run)
    return np.frombuffer(words, np.uint8).reshape(-1, run[0].width).T.tobytes()


def _from_planes(planes: bytes, width: int) -> bytes:
    return np.frombuffer(planes, np.uint8).reshape(width, -1).T.tobytes()
