"""Modes: the forward paths of a spec. `full` is what the graph says; the others change some stages of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..spec.architecture import Architecture
from ..spec.cadence import FULL, SINGLE
from ..spec.stage import Extra, Stage, StageMode

TRAINING = "+training"
"""Suffix of a mode's variant with the losses that only training has."""


@dataclass(frozen=True, slots=True)
class StagePath:
    """How a stage runs in a mode. `path` is None where it is the stage's own."""

    loops: int
    path: tuple[int, ...] | None = None
    extra: Extra | None = None
    without: frozenset[str] = frozenset()


Mode = Mapping[str, StagePath]
"""How each stage runs, by name."""


def resolve_modes(architecture: Architecture) -> dict[str, Mode]:
    """Every mode: full, single (each looping stage loops once), and those that the spec declares."""
    changes: dict[str, Mapping[str, StageMode]] = {FULL: {}}
    if any(stage.loops > 1 for stage in architecture.stages):
        changes[SINGLE] = {stage.name: StageMode(loops=1) for stage in architecture.stages}
    changes |= architecture.modes
    return {
        name: {stage.name: _stage_path(stage, change.get(stage.name, StageMode())) for stage in architecture.stages}
        for name, change in changes.items()
    }


def _stage_path(stage: Stage, change: StageMode) -> StagePath:
    loops = stage.loops if change.loops is None else change.loops
    return StagePath(loops, change.path, change.extra, frozenset(change.without))


def base_mode(name: str) -> str:
    """The mode that a variant belongs to: `full+training` -> `full`."""
    return name.removesuffix(TRAINING)


__all__ = ["FULL", "SINGLE", "TRAINING", "Mode", "StagePath", "base_mode", "resolve_modes"]
