"""A run by the wall clock, and the same run again from its record."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tiny_run import CountingBatches, make_train, run

from loopspec.compiler.spec.cadence import Phase, Until
from loopspec.compiler.spec.clock import Stop
from loopspec.compiler.spec.train import Average, Finish, QuantizationAware, Schedule, Start
from loopspec.runtime.train import loop
from loopspec.runtime.train.clock import TrainingClock
from loopspec.runtime.train.errors import MetricsError
from loopspec.runtime.train.metrics import read_records
from loopspec.runtime.train.recorded_clock import clock_of, recorded_clock

CADENCE = (
    Phase(("full", "single"), Until("seconds", 3.0)),
    Phase(("single",), Until("fraction", 0.8)),
    Phase(("full",)),
)
TRAIN = make_train(
    stop=Stop(seconds=10.0, reserve_seconds=1.0),
    schedule=Schedule("seconds", warmup_steps=2, warmdown_steps=10, floor=0.1),
    quantization_aware=QuantizationAware(Start(lr_scale=0.9)),
    averages={"swa": Average("swa", every=2, start=Start(fraction=0.5))},
    load="swa",
    finish=(Finish("replay", 0.1, batches=3, epochs=1),),
)


class Uneven(CountingBatches):
    """A machine whose micro-batches take from `pace` to 1.5 `pace` seconds."""

    def __init__(self, pace: float) -> None:
        super().__init__()
        self.now = 0.0
        self._pace = pace

    def take(self, *shape):
        self.now += self._pace * (1.0 + 0.1 * (self.position % 6))
        return super().take(*shape)


def on(pace: float, monkeypatch: pytest.MonkeyPatch) -> Uneven:
    batches = Uneven(pace)
    clock = lambda seconds=0.0, elsewhere=(): TrainingClock(seconds, elsewhere, lambda: batches.now)  # noqa: E731
    monkeypatch.setattr(loop, "TrainingClock", clock)
    return batches


def untimed(path: Path) -> list[dict[str, object]]:
    records = read_records(path / "metrics.jsonl")
    return [without(record, "seconds") for record in records]


def test_a_run_by_seconds_is_repeated_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(tmp_path / "first", TRAIN, cadence=CADENCE, batches=on(0.2, monkeypatch))
    other = run(tmp_path / "other", TRAIN, cadence=CADENCE, batches=on(0.3, monkeypatch))
    assert first[0].ended_by == other[0].ended_by == "seconds"
    assert other[0].step < first[0].step  # a slower machine: another run
    seconds_of = clock_of(recorded_clock(tmp_path / "first" / "metrics.jsonl"))
    again = run(tmp_path / "again", TRAIN, cadence=CADENCE, batches=on(0.3, monkeypatch), seconds_of=seconds_of)
    assert again[0].stages == first[0].stages and again[0].stages["replay"] == 3
    assert again[0].mode_counts == first[0].mode_counts and len(first[0].mode_counts) == 2
    assert again[0].quantization_aware_steps == first[0].quantization_aware_steps > 3
    assert again[0].average_updates == first[0].average_updates > 3
    for ours, theirs in zip(first[1:], again[1:], strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert untimed(tmp_path / "first") == untimed(tmp_path / "again")


def test_a_run_that_ended_while_it_waited_for_its_last_step_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an accelerator: the last step was handed over in time, and the clock ran out before the next."""
    train = replace(TRAIN, finish=())
    first = run(tmp_path / "first", train, cadence=CADENCE, batches=on(0.2, monkeypatch))
    path = tmp_path / "first" / "metrics.jsonl"
    *others, last = read_records(path)
    path.write_text("".join(json.dumps(record) + "\n" for record in (*others, last | {"seconds": 8.9})))
    seconds_of = clock_of(recorded_clock(path))
    again = run(tmp_path / "again", train, cadence=CADENCE, batches=on(0.1, monkeypatch), seconds_of=seconds_of)
    assert (again[0].step, again[0].ended_by) == (first[0].step, "seconds")
    assert all(torch.equal(first[1][name], again[1][name]) for name in first[1])


def test_records_hold_when_each_step_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, TRAIN, cadence=CADENCE, batches=on(0.2, monkeypatch))
    records = read_records(tmp_path / "metrics.jsonl")
    assert records[0]["began_seconds"] == 0.0
    for before, after in pairwise(records):
        assert after["began_seconds"] == before["seconds"]
    main = [record for record in records if record["stage"] == "main"]
    assert main[-1]["began_seconds"] < 9.0 <= main[-1]["seconds"]
    began = recorded_clock(tmp_path / "metrics.jsonl")
    assert list(began) == [record["began_seconds"] for record in records]
    assert clock_of(began)(len(records)) == math.inf


def without(record: dict[str, object], key: str) -> dict[str, object]:
    return {name: value for name, value in record.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: [], "does not tell when every step began"),
        (lambda records: records[:2] + records[3:], "does not tell when every step began"),
        (
            lambda records: [{k: v for k, v in r.items() if k != "began_seconds"} for r in records],
            "of an older version",
        ),
    ],
    ids=["empty", "a step is missing", "of an older version"],
)
def test_a_record_without_a_step_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change, message: str
) -> None:
    run(tmp_path, TRAIN, cadence=CADENCE, batches=on(0.2, monkeypatch))
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in change(read_records(path))))
    with pytest.raises(MetricsError, match=message):
        recorded_clock(path)


def test_no_record_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(MetricsError, match=r"cannot be read \(No such file or directory\); give the folder of a"):
        recorded_clock(tmp_path / "metrics.jsonl")
