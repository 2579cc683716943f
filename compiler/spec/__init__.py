"""The spec as frozen dataclasses: what the YAML says after `extends`, `--set`, defaults and sugar are resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .architecture import Architecture
from .cadence import Phase
from .data import Data
from .evaluate import Evaluate
from .quantization import Quantization
from .train import Train


@dataclass(frozen=True, slots=True)
class Budget:
    """Decimal bytes: the limit, what of it the code takes, and what a scheme that fits itself to it leaves free."""

    bytes: int
    code_bytes: int
    margin: int = 0


@dataclass(frozen=True, slots=True)
class Spec:
    """A resolved, checked spec."""

    name: str
    about: str
    budget: Budget
    data: Data
    architecture: Architecture
    cadence: tuple[Phase, ...]
    activities: dict[str, str]  # activity -> mode
    quantization: Quantization
    train: Train
    evaluate: Evaluate
    plain: dict[str, Any] = field(repr=False, compare=False, default_factory=dict)
    """The resolved document, as stored with every run and artifact."""
