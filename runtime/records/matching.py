"""Runs at equal positions of one clock. Nothing is interpolated: a run is shown by its last record at or before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from .readings import Clock, Position, TrainReading, ValidationReading


@dataclass(frozen=True, slots=True)
class TrainCell:
    """A run's training at a point.

    Attributes:
        position: of the last record at or before the point.
        loss: mean over the window of `records` records that ends there, in nats a token.
        lr_scale: the learning rate's multiplier of the last record.
    """

    position: Position
    loss: float
    records: int
    lr_scale: float | None


@dataclass(frozen=True, slots=True)
class ValidationCell:
    """A run's last validation at or before a point."""

    position: Position
    bits_per_byte: float | None


@dataclass(frozen=True, slots=True)
class TrainPoint:
    """All runs at one point; None: the run's first record comes later."""

    at: float
    cells: tuple[TrainCell | None, ...]


@dataclass(frozen=True, slots=True)
class ValidationPoint:
    """All runs at one point; None: the run's first validation comes later."""

    at: float
    cells: tuple[ValidationCell | None, ...]


def positions(readings: Sequence[TrainReading] | Sequence[ValidationReading], clock: Clock) -> list[float] | None:
    """The readings' positions on a clock; None where there are no readings, or some were recorded without it."""
    found = [at for reading in readings if (at := reading.position.at(clock)) is not None]
    return found if found and len(found) == len(readings) else None


def common_points(runs: Sequence[Sequence[float]], count: int) -> list[float]:
    """At most `count` points that every run has reached, evenly spread, the last one included.

    They are positions of records of the run that has the fewest there, so that at least that run is shown exactly.
    """
    end = min(run[-1] for run in runs)
    within = [run[: bisect_right(run, end)] for run in runs]
    candidates = min((run for run in within if run), key=len)
    chosen = min(count, len(candidates))
    return [candidates[(k + 1) * len(candidates) // chosen - 1] for k in range(chosen)]


def train_cell(readings: Sequence[TrainReading], at: Sequence[float], point: float, window: int) -> TrainCell | None:
    """A run at a point; `at` are its positions. The window is shorter where fewer records came before."""
    end = bisect_right(at, point)
    if end == 0:
        return None
    losses = [reading.loss for reading in readings[max(end - window, 0) : end]]
    last = readings[end - 1]
    return TrainCell(last.position, sum(losses) / len(losses), len(losses), last.lr_scale)


def validation_cell(readings: Sequence[ValidationReading], at: Sequence[float], point: float) -> ValidationCell | None:
    """A run at a point; `at` are its positions."""
    end = bisect_right(at, point)
    return None if end == 0 else ValidationCell(readings[end - 1].position, readings[end - 1].bits_per_byte)
