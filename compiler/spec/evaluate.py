"""The `evaluate` section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Evaluate:
    """The `evaluate` section: the sliding window of the score, in tokens."""

    sequence_length: int
    stride: int
    batch_windows: int = 16


def build_evaluate(plain: dict[str, Any], train: dict[str, Any]) -> Evaluate:
    """The section of a checked, default-filled document; its window is training's where it gives none."""
    return Evaluate(**(plain | {"sequence_length": plain["sequence_length"] or train["sequence_length"]}))
