"""A list of runs: what each has come to, sorted, as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...compiler.source.wording import visible
from .columns import WIDTH, aligned, shortened
from .numbers import compact, count, score, seconds
from .recorded_spec import Limits
from .run_record import RunRecord


@dataclass(frozen=True, slots=True)
class Row:
    """What the list says of a run; None: not recorded. Bytes include code; seconds are of the training clock."""

    path: str
    spec: str | None
    state: str
    step: int
    stop: Limits
    loss: float | None
    validation_bpb: float | None
    artifact_bpb: float | None
    bytes: float | None
    margin: float | None
    seconds: float | None
    written: float
    faults: tuple[str, ...]


SORT_KEYS: dict[str, Callable[[Row], Any]] = {
    "name": lambda row: row.path,
    "spec": lambda row: row.spec,
    "state": lambda row: row.state,
    "steps": lambda row: row.step,
    "loss": lambda row: row.loss,
    "validation": lambda row: row.validation_bpb,
    "artifact": lambda row: row.artifact_bpb,
    "bytes": lambda row: row.bytes,
    "margin": lambda row: row.margin,
    "seconds": lambda row: row.seconds,
    "when": lambda row: row.written,
}
"""What `--sort` may name."""


def row_of(run: RunRecord) -> Row:
    """The row of one run."""
    train, validation, scores = run.readings.train, run.readings.validation, run.scores
    clock = train[-1].position.seconds if train else None
    return Row(
        path=str(run.path),
        spec=None if run.spec is None else run.spec.name,
        state=run.state,
        step=train[-1].position.steps if train else 0,
        stop=Limits() if run.spec is None else run.spec.stop,
        loss=train[-1].loss if train else None,
        validation_bpb=validation[-1].bits_per_byte if validation else None,
        artifact_bpb=None if scores is None else scores.bpb_artifact,
        bytes=None if scores is None else scores.total_bytes,
        margin=None if scores is None else scores.margin_bytes,
        seconds=clock if scores is None or scores.seconds is None else scores.seconds,
        written=run.written,
        faults=run.faults,
    )


def sorted_rows(rows: Sequence[Row], key: str, *, reverse: bool) -> list[Row]:
    """Rows by a key of SORT_KEYS, then by path; those that lack it come last either way."""
    value = SORT_KEYS[key]
    by_path = sorted(rows, key=lambda row: row.path)
    having = sorted((row for row in by_path if value(row) is not None), key=value, reverse=reverse)
    return having + [row for row in by_path if value(row) is None]


def listing_text(rows: Sequence[Row]) -> str:
    """Two lines a run below a head of two, at most 79 columns wide; further lines say what is damaged."""
    upper = [("run", "spec", "state", "steps", "last written"), *map(_upper, rows)]
    lower = [("  loss", "val BPB", "artifact BPB", "bytes", "margin", "seconds"), *map(_lower, rows)]
    first = aligned(upper, left=3)
    if max(map(len, first)) > WIDTH:  # the path gets a line of its own
        rest = aligned([(f"  {row[1]}", *row[2:]) for row in upper], left=2)
        first = [f"{shortened(row[0], WIDTH)}\n{line}" for row, line in zip(upper, rest, strict=True)]
    lines = []
    for above, below, faults in zip(first, aligned(lower, left=0), [(), *(row.faults for row in rows)], strict=True):
        lines += [above, below, *(line for fault in faults for line in _fault(fault))]
    return "\n".join(lines) + "\n"


def listing_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The same as plain data; times as ISO 8601 with the offset of this machine's zone."""
    return [
        {
            "path": row.path,
            "spec": row.spec,
            "state": row.state,
            "step": row.step,
            "stop": {"steps": row.stop.steps, "tokens": row.stop.tokens, "seconds": row.stop.seconds},
            "loss": row.loss,
            "validation_bpb": row.validation_bpb,
            "artifact_bpb": row.artifact_bpb,
            "bytes": row.bytes,
            "margin": row.margin,
            "seconds": row.seconds,
            "written": datetime.fromtimestamp(row.written).astimezone().isoformat(timespec="seconds"),
            "faults": list(row.faults),
        }
        for row in rows
    ]


def _upper(row: Row) -> tuple[str, ...]:
    written = datetime.fromtimestamp(row.written).strftime("%Y-%m-%d %H:%M")
    spec = shortened(visible(row.spec or "-"), WIDTH // 3)
    return (visible(row.path), spec, row.state, _steps(row), written)


def _steps(row: Row) -> str:
    """Steps of how many; a run that another clock alone stops has no number of steps."""
    stop = row.stop
    if stop.steps is not None:
        return f"{row.step:,}/{count(stop.steps)}"
    others = [f"{compact(stop.tokens)} tokens"] if stop.tokens is not None else []
    others += [f"{stop.seconds:,g} s"] if stop.seconds is not None else []
    return f"{row.step:,} (to {' or '.join(others)})" if others else f"{row.step:,}"


def _lower(row: Row) -> tuple[str, ...]:
    scores = (score(row.loss), score(row.validation_bpb), score(row.artifact_bpb))
    return (f"  {scores[0]}", *scores[1:], count(row.bytes), count(row.margin), seconds(row.seconds))


def _fault(text: str) -> list[str]:
    return textwrap.wrap(visible(text), WIDTH, initial_indent="  ! ", subsequent_indent="    ")
