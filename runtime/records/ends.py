"""The last figures of runs, one quantity a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import numbers
from .end_scores import EndScores
from .matching import train_cell
from .run_record import RunRecord


@dataclass(frozen=True, slots=True)
class EndRow:
    """A quantity of every run; None: not recorded. `show` is how it is printed."""

    key: str
    label: str
    values: tuple[float | None, ...]
    show: Callable[[float | None], str]


def end_rows(runs: Sequence[RunRecord], window: int) -> list[EndRow]:
    """All quantities, those that no run has included."""
    scores = [run.scores if run.scores is not None else EndScores() for run in runs]
    rows: list[tuple[str, str, Sequence[float | None], Callable[[float | None], str]]] = [
        ("steps", "steps", [_last(run, "steps") for run in runs], numbers.count),
        ("tokens", "tokens", [_last(run, "tokens") for run in runs], numbers.count),
        ("flops", "FLOPs", [_last(run, "flops") for run in runs], numbers.compact),
        ("seconds", "seconds, as recorded", [_seconds(run) for run in runs], numbers.seconds),
        ("training_loss", "training loss", [_loss(run, window) for run in runs], numbers.score),
        ("validation_bpb", "last validation BPB", [_validation(run) for run in runs], numbers.score),
        ("bpb_at_stop", "BPB at stop", [item.bpb_at_stop for item in scores], numbers.score),
        ("bpb_averaged", "BPB averaged", [item.bpb_averaged for item in scores], numbers.score),
        ("bpb_artifact", "BPB of the artifact", [item.bpb_artifact for item in scores], numbers.score),
        (
            "bpb_artifact_non_overlapping",
            "  non-overlapping",
            [item.bpb_artifact_non_overlapping for item in scores],
            numbers.score,
        ),
        ("total_bytes", "bytes with code", [item.total_bytes for item in scores], numbers.count),
        ("margin_bytes", "bytes margin", [item.margin_bytes for item in scores], numbers.count),
        ("parameters", "parameters stored", [item.parameters for item in scores], numbers.count),
        ("effective_parameters", "  effective", [item.effective_parameters for item in scores], numbers.count),
    ]
    return [EndRow(key, label, tuple(values), show) for key, label, values, show in rows]


def _last(run: RunRecord, clock: str) -> float | None:
    if not run.readings.train:
        return None
    value: float | None = getattr(run.readings.train[-1].position, clock)
    return value


def _seconds(run: RunRecord) -> float | None:
    return _last(run, "seconds") if run.scores is None or run.scores.seconds is None else run.scores.seconds


def _loss(run: RunRecord, window: int) -> float | None:
    train = run.readings.train
    steps = [float(reading.position.steps) for reading in train]
    cell = train_cell(train, steps, steps[-1], window) if steps else None
    return None if cell is None else cell.loss


def _validation(run: RunRecord) -> float | None:
    validation = run.readings.validation
    return validation[-1].bits_per_byte if validation else None
