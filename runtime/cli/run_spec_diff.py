"""How the specs of runs differ, in a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...compiler.check import Checked, check_spec
from ..records.columns import WIDTH, shortened
from ..records.comparison import LETTERS
from ..records.run_record import RunRecord
from .plan_diff import Figure, plan_changes
from .spec_diff import ABSENT, KeyChange, spec_changes
from .yaml_flow import flow_text

SHOWN = 6  # keys of a pair of runs
OTHER_LOSS = (
    "data.source",
    "data.tokenizer",
    "model.vocab_size",
    "model.multi_token",
    "train.label_smoothing",
    "train.penalties",
)
OTHER_SCORE = ("data.source", "evaluate.sequence_length", "evaluate.stride")
UNTOLD = ("name", "about")


@dataclass(frozen=True, slots=True)
class RunSpecChanges:
    """What differs from the first run's spec to another's.

    Attributes:
        other: the other run's place among the runs.
        as_written: they were compared without defaults, since not both are specs of this version.
        figures: of the plans, those that differ; none where not both specs have a plan.
    """

    other: int
    keys: tuple[KeyChange, ...]
    figures: tuple[Figure, ...]
    as_written: bool


def run_spec_changes(runs: Sequence[RunRecord]) -> list[RunSpecChanges]:
    """The first run's spec against each other's that can be read."""
    checked = [None if run.spec is None else check_spec(run.path / "spec.yaml") for run in runs]
    first = checked[0]
    if first is None:
        return []
    return [
        _changes(number, (runs[0], first), (runs[number], other))
        for number, other in enumerate(checked)
        if number > 0 and other is not None
    ]


def difference_text(runs: Sequence[RunRecord], changes: Sequence[RunSpecChanges]) -> list[str]:
    """Lines for people, at most 79 columns wide."""
    return [line for change in changes for line in _lines(runs, change)]


def difference_json(changes: Sequence[RunSpecChanges]) -> list[dict[str, Any]]:
    """All differing keys; one that a run lacks is not in its place."""
    return [
        {
            "a": LETTERS[0],
            "b": LETTERS[change.other],
            "as_written": change.as_written,
            "keys": [_key_json(key) for key in change.keys],
            "figures": {figure.name: {"a": figure.a, "b": figure.b} for figure in change.figures},
        }
        for change in changes
    ]


def loss_warnings(changes: Sequence[RunSpecChanges]) -> list[str]:
    """Differences that make losses or scores figures of different things."""
    lines = []
    for change in changes:
        pair = f"{LETTERS[0]} and {LETTERS[change.other]}"
        for meaning, prefixes in (("training losses", OTHER_LOSS), ("BPB", OTHER_SCORE)):
            keys = [key.key for key in change.keys if _told(key, change) and _below(key.key, prefixes)]
            if keys:
                lines.append(f"{meaning} of {pair} are not of the same thing: {', '.join(keys)} differ")
    return lines


def _changes(number: int, a: tuple[RunRecord, Checked], b: tuple[RunRecord, Checked]) -> RunSpecChanges:
    (run_a, checked_a), (run_b, checked_b) = a, b
    assert run_a.spec is not None and run_b.spec is not None
    plain_a, plain_b = checked_a.plain, checked_b.plain
    as_written = plain_a is None or plain_b is None
    if plain_a is None or plain_b is None:
        plain_a, plain_b = run_a.spec.plain, run_b.spec.plain
    keys = tuple(change for change in spec_changes(plain_a, plain_b) if change.key not in UNTOLD)
    plans = (checked_a.plan, checked_b.plan)
    figures = () if plans[0] is None or plans[1] is None else plan_changes(plans[0], plans[1]).figures
    return RunSpecChanges(number, keys, tuple(figure for figure in figures if figure.a != figure.b), as_written)


def _lines(runs: Sequence[RunRecord], change: RunSpecChanges) -> list[str]:
    other = LETTERS[change.other]
    written = ", as written: not both are of this version" if change.as_written else ""
    if not change.keys:
        return [f"specs of A and {other}: equal{written}"]
    count = "1 key differs" if len(change.keys) == 1 else f"{len(change.keys)} keys differ"
    lines = [f"specs of A and {other}: {count}{written}"]
    lines += [shortened(f"  {key.key}: {_value(key.a)} -> {_value(key.b)}", WIDTH) for key in change.keys[:SHOWN]]
    if len(change.keys) > SHOWN:
        paths = " ".join(str(Path(runs[number].path) / "spec.yaml") for number in (0, change.other))
        lines += [f"  and {len(change.keys) - SHOWN} more, which this shows:", f"  loopspec diff {paths}"]
    return lines + [f"  {f.name.replace('_', ' ')}: {f.a:,} -> {f.b:,} ({f.b - f.a:+,})" for f in change.figures]


def _value(value: Any) -> str:  # noqa: ANN401 - plain YAML values
    return "absent" if value is ABSENT else flow_text(value)


def _key_json(change: KeyChange) -> dict[str, Any]:
    sides = {"a": change.a, "b": change.b}
    return {"key": change.key, **{side: value for side, value in sides.items() if value is not ABSENT}}


def _told(key: KeyChange, change: RunSpecChanges) -> bool:
    """Whether a difference is one of meaning: without defaults, a key that one lacks may say what the default says."""
    return not change.as_written or (key.a is not ABSENT and key.b is not ABSENT)


def _below(key: str, prefixes: Sequence[str]) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)
