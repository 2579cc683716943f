"""The `train.penalties` section: what training adds to the loss, and what it takes off the weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .quantization import Match


@dataclass(frozen=True, slots=True)
class NuclearNorm:
    """Every `every` steps the singular values of trained matrices that `match` fall by `weight` times the multiplier.

    This is the proximal step of the penalty weight * (sum of singular values); none falls below 0.
    """

    weight: float
    every: int
    match: Match = field(default_factory=Match)


@dataclass(frozen=True, slots=True)
class Penalties:
    """`z_loss` is the weight of the mean square of the log-partition, in the model's own loss of a training step."""

    z_loss: float = 0.0
    nuclear_norm: NuclearNorm | None = None


def build_penalties(plain: dict[str, Any]) -> Penalties:
    """Of a checked, default-filled document."""
    nuclear = plain["nuclear_norm"]
    if nuclear is not None:
        nuclear = NuclearNorm(nuclear["weight"], nuclear["every"], Match(**nuclear["match"]))
    return Penalties(plain["z_loss"], nuclear)
