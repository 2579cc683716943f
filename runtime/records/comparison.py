"""Several runs compared: at matched points of clocks, at their ends, and what warns against the comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .matching import (
    TrainPoint,
    ValidationPoint,
    common_points,
    positions,
    train_cell,
    validation_cell,
)
from .numbers import CLOCK_NAMES, on_clock
from .readings import Clock, TrainReading, ValidationReading
from .run_record import RunRecord

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SAME_SCALE = 1e-6  # multipliers nearer than this are equal


@dataclass(frozen=True, slots=True)
class Section:
    """Runs at equal positions of one clock; `missing` says what could not be matched, and why."""

    clock: Clock
    train: tuple[TrainPoint, ...]
    validation: tuple[ValidationPoint, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs, named by LETTERS in their order; `window` is how many records a training loss is the mean of."""

    runs: tuple[RunRecord, ...]
    window: int
    sections: tuple[Section, ...]
    warnings: tuple[str, ...]


def compare(runs: Sequence[RunRecord], clocks: Sequence[Clock], points: int, window: int) -> Comparison:
    """Compares at most as many runs as there are LETTERS, at up to `points` points of each clock."""
    assert 0 < len(runs) <= len(LETTERS) and points > 0 and window > 0
    sections = tuple(_section(runs, clock, points, window) for clock in clocks)
    apart = [line for section in sections for line in _schedules(section)]
    warnings = [*_unfinished(runs), *(_wall_clocks(runs, clocks) if apart else []), *apart, *_stages(runs)]
    return Comparison(tuple(runs), window, sections, tuple(warnings))


def named(runs: Sequence[RunRecord], holds: Callable[[RunRecord], bool]) -> str:
    """The letters of the runs of which something holds: `A, C`."""
    return ", ".join(letter for letter, run in zip(LETTERS, runs, strict=False) if holds(run))


def _section(runs: Sequence[RunRecord], clock: Clock, points: int, window: int) -> Section:
    missing: list[str] = []
    train, validation = [run.readings.train for run in runs], [run.readings.validation for run in runs]
    at, validated_at = _matched(train, clock, "training", missing), _matched(validation, clock, "validation", missing)
    train_points = [
        TrainPoint(point, tuple(train_cell(r, a, point, window) for r, a in zip(train, at, strict=True)))
        for point in (common_points(at, points) if at else ())
    ]
    validation_points = [
        ValidationPoint(
            point, tuple(validation_cell(r, a, point) for r, a in zip(validation, validated_at, strict=True))
        )
        for point in (common_points(validated_at, points) if validated_at else ())
    ]
    return Section(clock, tuple(train_points), tuple(validation_points), tuple(missing))


def _matched(
    readings: Sequence[Sequence[TrainReading] | Sequence[ValidationReading]],
    clock: Clock,
    kind: str,
    missing: list[str],
) -> list[list[float]]:
    """Positions of every run; none where a run lacks them, which `missing` is told."""
    found = [positions(series, clock) for series in readings]
    none = [letter for letter, series in zip(LETTERS, readings, strict=False) if not series]
    without = [letter for letter, series, at in zip(LETTERS, readings, found, strict=False) if series and at is None]
    if none:
        missing.append(f"{kind}: no records in {', '.join(none)}")
    if without:
        missing.append(f"{kind}: {CLOCK_NAMES[clock]} not recorded in {', '.join(without)}")
    return [at for at in found if at is not None] if not none and not without else []


def _wall_clocks(runs: Sequence[RunRecord], clocks: Sequence[Clock]) -> list[str]:
    """The fault of a published comparison: at equal steps the slower of two runs was further down its schedule."""
    wall = named(runs, lambda run: run.spec is not None and run.spec.wall_clock_schedule)
    others = ", ".join(CLOCK_NAMES[clock] for clock in clocks if clock != "seconds")
    if not wall or not others:
        return []
    return [
        f"the learning rate of {wall} follows the wall clock: equal {others} are other places of its schedule "
        "on a faster or slower machine or model, so losses there do not tell which learns better"
    ]


def _schedules(section: Section) -> list[str]:
    """Whether the runs' learning rates stand at the same places."""
    apart = [(point, *spread) for point in section.train if (spread := _spread(point)) and spread[1] > SAME_SCALE]
    if not apart:
        return []
    point, letters, _ = max(apart, key=lambda item: item[2])
    return [
        f"at equal {CLOCK_NAMES[section.clock]} the learning-rate multipliers differ at {len(apart)} of "
        f"{len(section.train)} points, most at {on_clock(section.clock, point.at)} ({letters})"
    ]


def _spread(point: TrainPoint) -> tuple[str, float] | None:
    """The lowest and the highest multiplier with their runs, and how far apart they are."""
    scales = [
        (cell.lr_scale, letter)
        for cell, letter in zip(point.cells, LETTERS, strict=False)
        if cell is not None and cell.lr_scale is not None
    ]
    if len(scales) < 2:
        return None
    (low, first), (high, second) = min(scales), max(scales)
    return f"{first} {low:.4g}, {second} {high:.4g}", high - low


def _unfinished(runs: Sequence[RunRecord]) -> list[str]:
    return [
        f"{letter} ({run.state}): its last figures are not those of a whole run"
        for letter, run in zip(LETTERS, runs, strict=False)
        if run.state not in ("finished", "trained")
    ]


def _stages(runs: Sequence[RunRecord]) -> list[str]:
    return [
        f"{letter}: losses of other stages of training are left out ({told})"
        for letter, run in zip(LETTERS, runs, strict=False)
        if (told := ", ".join(f"{stage}: {count:,} records" for stage, count in run.readings.further.items()))
    ]
