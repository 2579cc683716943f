"""Shards checked before training: every header, and tokens as far as that is quick."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .events import DataEvent
from .shards import HEADER_BYTES, check_tokens, read_shard
from .tokenizer import TokenArray

Progress = Callable[[int, int], None]

SCAN_BUDGET = 1 << 29  # tokens: 1 GiB to read, a second or so
SCANNED_PLACES = 3
EDGE_BYTES = 4096
ENOUGH_PER_PIECE = 100  # tokens a piece of the vocabulary, before its unused half is worth a word


@dataclass(frozen=True, slots=True, eq=False)
class CheckedShards:
    """Tokens of shards, mapped; what was found; and a digest of their names, sizes, headers and both ends."""

    arrays: tuple[TokenArray, ...]
    events: tuple[DataEvent, ...]
    sha256: str


def check_shards(
    paths: Sequence[Path], vocab_size: int, progress: Progress | None = None, budget: int = SCAN_BUDGET
) -> CheckedShards:
    """Map shards after checking all headers and sizes, then tokens against `vocab_size`.

    Of more than `budget` tokens only the start, the middle and the end of each shard are looked at; an event says so.

    Raises:
        ShardError: the first shard that is wrong; see `read_shard`.
    """
    arrays = tuple(read_shard(path) for path in paths)
    total = sum(len(array) for array in arrays)
    share = 1.0 if total <= budget else budget / total
    scanned = highest = 0
    for number, (path, array) in enumerate(zip(paths, arrays, strict=True)):
        for start, stop in _places(len(array), share):
            highest = max(highest, check_tokens(path, array[start:stop], vocab_size, start))
            scanned += stop - start
        if progress is not None:
            progress(number + 1, len(paths))
    return CheckedShards(arrays, _events(len(paths), total, scanned, highest, vocab_size), shards_sha256(paths))


def shards_sha256(paths: Sequence[Path]) -> str:
    """Hexadecimal sha256 over file names, sizes, headers and both ends; quick for any number of shards."""
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(HEADER_BYTES + EDGE_BYTES))
            file.seek(max(0, size - EDGE_BYTES))
            digest.update(file.read())
    return digest.hexdigest()


def _places(count: int, share: float) -> list[tuple[int, int]]:
    """What is scanned of a shard of `count` tokens: all, or three parts that together are `share` of it."""
    if share >= 1:
        return [(0, count)]
    part = max(1, int(count * share / SCANNED_PLACES))
    starts = [place * (count - part) // (SCANNED_PLACES - 1) for place in range(SCANNED_PLACES)]
    return [(start, start + part) for start in starts]


def _events(shards: int, total: int, scanned: int, highest: int, vocab_size: int) -> tuple[DataEvent, ...]:
    events: list[DataEvent] = []
    if scanned < total:
        message = (
            f"looked at {scanned:,} of {total:,} training tokens (start, middle and end of each of {shards} shards); "
            "a token beyond the vocabulary elsewhere stops the run where it is read"
        )
        events.append(DataEvent("shards_scanned_in_part", message))
    if scanned >= ENOUGH_PER_PIECE * vocab_size and highest < vocab_size // 2:
        message = (
            f"the highest training token is {highest}, the tokenizer has {vocab_size}; "
            "check that the shards were made with this tokenizer"
        )
        events.append(DataEvent("vocabulary_unused", message))
    return tuple(events)
