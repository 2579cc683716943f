"""Optimizers by group of stores, and which stores each group trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .quantization import Match

DECLARED = "declared"
"""What `Assignment.to` says where each store goes to the group that it declares."""

Coefficients = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class MomentumWarmup:
    """Muon's momentum rises linearly from `start` to the optimizer's `momentum` over `steps` steps."""

    start: float
    steps: int


@dataclass(frozen=True, slots=True)
class GroupOptimizer:
    """The optimizer of one group of stores; `kind` says which fields are read (the others are as they stand here).

    Attributes:
        newton_schulz_coefficients: the name of a table, or a row for each of `newton_schulz_steps`.
        normalize: what is done to the momentum matrix before the Newton-Schulz steps.
        decay: whether a step decays the weights before or after it updates them.
    """

    kind: Literal["muon", "adamw"]
    lr: float
    weight_decay: float
    momentum: float | None = None  # muon
    momentum_warmup: MomentumWarmup | None = None  # muon
    nesterov: bool | None = None  # muon
    newton_schulz_steps: int | None = None  # muon
    newton_schulz_coefficients: Literal["quintic", "polar_express"] | tuple[Coefficients, ...] = "quintic"  # muon
    newton_schulz_dtype: Literal["auto", "float32", "bfloat16"] = "auto"  # muon
    normalize: Literal["none", "rows"] = "none"  # muon
    decay: Literal["before", "after"] = "before"  # muon
    betas: tuple[float, float] | None = None  # adamw
    eps: float | None = None  # adamw


@dataclass(frozen=True, slots=True)
class Assignment:
    """Stores that `match` are trained by group `to`; `frozen` keeps them as they start, `declared` asks each store."""

    to: str
    match: Match = field(default_factory=Match)


def build_optimizer(plain: dict[str, Any]) -> GroupOptimizer:
    """One group's optimizer, of a checked, default-filled document."""
    nested: dict[str, Any] = {}
    if plain.get("momentum_warmup") is not None:
        nested["momentum_warmup"] = MomentumWarmup(**plain["momentum_warmup"])
    if "betas" in plain:
        nested["betas"] = (plain["betas"][0], plain["betas"][1])
    rows = plain.get("newton_schulz_coefficients")
    if isinstance(rows, list):
        nested["newton_schulz_coefficients"] = tuple((float(a), float(b), float(c)) for a, b, c in rows)
    return GroupOptimizer(**(plain | nested))
