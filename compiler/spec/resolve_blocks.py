"""Writes into a resolved document what the schema cannot: defaults that depend on a block's merged overrides.

A document that says it all means the same under a later version with other defaults.
"""

from __future__ import annotations

from typing import Any

from .overrides import MergedBlock, merged_blocks

Plain = dict[str, Any]
NEGATIVE_SLOPE = 0.5  # of leaky_relu_squared where none is given
ROPE: Plain = {  # of an override's rope over `rope: null`
    "dims": None,
    "base": 10000.0,
    "ntk_reference": None,
    "ntk_exponent": "dims",
    "direction": "backward",
    "dtype": "float32",
}


def resolve_blocks(plain: Plain) -> Plain:
    """A copy of a checked, default-filled document in which every block's slope and rope are complete.

    A leaky group gets its slope. What single blocks still lack is appended to `overrides`, which changes no other
    block; so a second call changes nothing.

    Raises:
        PathError: an override's range runs backwards.
    """
    return plain | {"blocks": {name: _resolve_group(group) for name, group in plain["blocks"].items()}}


def _resolve_group(group: Plain) -> Plain:
    wanted = [_complete(block) for block in merged_blocks(group)]
    resolved = group | {"mlp": group["mlp"] | {"negative_slope": _slope(group["mlp"])}}
    added: list[Plain] = []
    for index, block in enumerate(merged_blocks(resolved)):
        change = _difference(block.plain, wanted[index])
        same = next((override for override in added if override | {"blocks": 0} == change | {"blocks": 0}), None)
        if change and same is not None:
            same["blocks"].append(index)
        elif change:
            added.append({"blocks": [index], **change})
    return resolved | {"overrides": [*group["overrides"], *added]}


def _slope(mlp: Plain) -> float | None:
    slope: float | None = mlp["negative_slope"]
    return NEGATIVE_SLOPE if slope is None and mlp["activation"] == "leaky_relu_squared" else slope


def _complete(block: MergedBlock) -> tuple[float | None, Plain | None]:
    """The slope and the rope that the block is meant to have."""
    rope = block.plain["attention"]["rope"]
    return _slope(block.plain["mlp"]), None if rope is None else ROPE | rope


def _difference(plain: Plain, wanted: tuple[float | None, Plain | None]) -> Plain:
    slope, rope = wanted
    given = plain["attention"]["rope"] or {}
    missing = {key: value for key, value in (rope or {}).items() if key not in given}
    change: Plain = {"attention": {"rope": missing}} if missing else {}
    return change | ({"mlp": {"negative_slope": slope}} if plain["mlp"]["negative_slope"] != slope else {})
