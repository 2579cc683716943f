"""Influences as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .influence import Influence, PositionInfluence


def influence_json(influence: Influence) -> dict[str, Any]:
    """`spec` (name), `mode`, `batches`, and `positions` [{position, stage, loop, block, occurrence, influence, angle,
    batches, undirected}]: `influence` (BI) and `angle` are {mean, deviation} or null, see `PositionInfluence`.
    """
    return {
        "spec": influence.plan.spec.name,
        "mode": influence.mode,
        "batches": influence.batches,
        "positions": [_position(row) for row in influence.positions],
    }


def _position(row: PositionInfluence) -> dict[str, Any]:
    position = row.position
    return {
        "position": position.index,
        "stage": position.stage,
        "loop": position.loop,
        "block": position.block,
        "occurrence": position.occurrence,
        "influence": None if row.influence is None else asdict(row.influence),
        "angle": None if row.angle is None else asdict(row.angle),
        "batches": row.batches,
        "undirected": row.undirected,
    }
