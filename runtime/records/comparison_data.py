"""A comparison as plain data, for JSON, and as rows, for CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from .comparison import LETTERS, Comparison, Section
from .ends import end_rows
from .matching import TrainCell, TrainPoint, ValidationCell, ValidationPoint

CSV_HEAD = ("clock", "point", "run", "quantity", "value", "steps", "tokens", "flops", "seconds", "lr_scale", "records")


def comparison_json(comparison: Comparison, differences: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything; a cell is null where a run had no record yet, a figure where it was not recorded."""
    return {
        "runs": [
            {
                "run": letter,
                "path": str(run.path),
                "spec": None if run.spec is None else run.spec.name,
                "state": run.state,
                "wall_clock_schedule": None if run.spec is None else run.spec.wall_clock_schedule,
                "further_stages": dict(run.readings.further),
            }
            for letter, run in zip(LETTERS, comparison.runs, strict=False)
        ],
        "warnings": list(comparison.warnings),
        "spec_differences": differences,
        "window_records": comparison.window,
        "matched": [_section(section) for section in comparison.sections],
        "end": {row.key: list(row.values) for row in end_rows(comparison.runs, comparison.window)},
    }


def comparison_csv(comparison: Comparison) -> str:
    """A line a figure; `clock` is `end` for the last ones. The position is that of the record, not of the point."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for section in comparison.sections:
        writer.writerows(_rows(section))
    for row in end_rows(comparison.runs, comparison.window):
        for letter, value in zip(LETTERS, row.values, strict=False):
            if value is not None:
                writer.writerow(("end", "", letter, row.key, value, *[""] * 6))
    return buffer.getvalue()


def _section(section: Section) -> dict[str, Any]:
    return {
        "clock": section.clock,
        "missing": list(section.missing),
        "training_loss": [asdict(point) for point in section.train],
        "validation_bpb": [asdict(point) for point in section.validation],
    }


def _rows(section: Section) -> Iterator[tuple[object, ...]]:
    points: list[TrainPoint | ValidationPoint] = [*section.train, *section.validation]
    for point in points:
        for letter, cell in zip(LETTERS, point.cells, strict=False):
            if cell is not None:
                yield (section.clock, point.at, letter, *_cell(cell))


def _cell(cell: TrainCell | ValidationCell) -> tuple[object, ...]:
    at = cell.position
    place = (at.steps, at.tokens, at.flops, at.seconds)
    if isinstance(cell, ValidationCell):
        return ("validation_bpb", cell.bits_per_byte, *place, None, None)
    return ("training_loss", cell.loss, *place, cell.lr_scale, cell.records)
