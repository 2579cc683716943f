"""Optimizers by group of stores, and which stores each group trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .quantization import Match

Destination = Literal["matrices", "embeddings", "scalars", "head", "frozen", "declared"]


@dataclass(frozen=True, slots=True)
class MomentumWarmup:
    """Muon's momentum rises linearly from `start` to the optimizer's `momentum` over `steps` steps."""

    start: float
    steps: int


@dataclass(frozen=True, slots=True)
class GroupOptimizer:
    """The optimizer of one group of stores; `kind` says which fields are read (the others are None)."""

    kind: Literal["muon", "adamw"]
    lr: float
    weight_decay: float
    momentum: float | None = None  # muon
    momentum_warmup: MomentumWarmup | None = None  # muon
    nesterov: bool | None = None  # muon
    newton_schulz_steps: int | None = None  # muon
    betas: tuple[float, float] | None = None  # adamw
    eps: float | None = None  # adamw


@dataclass(frozen=True, slots=True)
class Assignment:
    """Stores that `match` are trained by group `to`; `frozen` keeps them as they start, `declared` asks each store."""

    to: Destination
    match: Match = field(default_factory=Match)


def build_optimizer(plain: dict[str, Any]) -> GroupOptimizer:
    """One group's optimizer, of a checked, default-filled document."""
    warmup, betas = plain.get("momentum_warmup"), plain.get("betas")
    nested = {
        "momentum_warmup": None if warmup is None else MomentumWarmup(**warmup),
        "betas": None if betas is None else (betas[0], betas[1]),
    }
    return GroupOptimizer(**(plain | nested))
