"""The layout of a store as the header's JSON writes it: what differs from the defaults of its kind, and no more."""

from __future__ import annotations

from typing import Any

from ..quantize.storage import GRID_LEVELS, Storage
from .errors import ArtifactError

MAX_LEVELS = 127
MAX_GROUP = 2**30
MAX_RANK = 2**8
"""Decoding takes a pass over the store for each."""


def storage_to_plain(storage: Storage) -> dict[str, Any]:
    """The storage as JSON: `kind`, of `integer` its `levels`, and every other field that is not the default."""
    plain: dict[str, Any] = {"kind": storage.kind}
    if storage.kind != "integer":
        return plain
    plain["levels"] = storage.levels
    if storage.steps != "row":
        plain["steps"] = storage.steps if storage.steps == "store" else storage.group
    if storage.step_dtype != "float16":
        plain["step_dtype"] = storage.step_dtype
    if storage.error_rank:
        plain["error_rank"] = storage.error_rank
    return plain


def storage_from_plain(plain: object, place: str) -> Storage:
    """Undoes `storage_to_plain`. Raises ArtifactError for any storage that this version does not know."""
    storage = _storage(plain) if isinstance(plain, dict) else None
    if storage is None or storage_to_plain(storage) != plain:
        raise ArtifactError(f"{place}: storage {plain!a:.200} is not known; read it with the loopspec that wrote it")
    return storage


def sound_storage(storage: Storage) -> bool:
    """Whether every field is one that a reader takes; the writer asks too."""
    return _storage(storage_to_plain(storage)) == storage


def _storage(plain: dict[Any, Any]) -> Storage | None:
    kind = plain.get("kind")
    if kind == "grid":
        return Storage("grid", GRID_LEVELS)
    if kind == "float16" or kind == "float32":
        return Storage("float16" if kind == "float16" else "float32")
    levels, rank, dtype = plain.get("levels"), plain.get("error_rank", 0), plain.get("step_dtype", "float16")
    steps = plain.get("steps", "row")
    group = steps if type(steps) is int else 0
    sound = (
        kind == "integer"
        and _within(levels, 1, MAX_LEVELS)
        and _within(rank, 0, MAX_RANK)
        and (steps in ("row", "store") or _within(group, 1, MAX_GROUP))
        and dtype in ("float16", "float32")
    )
    if not sound:
        return None
    assert isinstance(levels, int)
    return Storage("integer", levels, "group" if group else steps, group, dtype, rank)


def _within(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
