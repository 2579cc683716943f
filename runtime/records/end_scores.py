"""The figures of a run's report.json; each None where that version of the report did not have it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .plain_json import number, read_object, section


@dataclass(frozen=True, slots=True)
class EndScores:
    """Scores in bits per byte, sizes in bytes with code included, seconds of training as recorded."""

    bpb_at_stop: float | None = None
    bpb_averaged: float | None = None
    bpb_artifact: float | None = None
    bpb_artifact_non_overlapping: float | None = None
    total_bytes: float | None = None
    margin_bytes: float | None = None
    parameters: float | None = None
    effective_parameters: float | None = None
    seconds: float | None = None


def read_end_scores(path: Path) -> EndScores:
    """The report at `path`.

    Raises:
        RecordError: it is damaged.
    """
    report = read_object(path)
    scores, size, seconds = (section(report, key, path.name) for key in ("scores", "size", "seconds"))
    return EndScores(
        bpb_at_stop=number(scores, "stop", path.name),
        bpb_averaged=number(scores, "average", path.name),
        bpb_artifact=number(scores, "artifact", path.name),
        bpb_artifact_non_overlapping=number(scores, "artifact_non_overlapping", path.name),
        total_bytes=number(size, "total_bytes", path.name),
        margin_bytes=number(size, "margin_bytes", path.name),
        parameters=number(report, "parameters", path.name),
        effective_parameters=number(report, "effective_parameters", path.name),
        seconds=number(seconds, "training", path.name),
    )
