"""Reading a metrics log: positions, older records, damage."""

from __future__ import annotations

import json

import pytest

from loopspec.runtime.records.errors import RecordError
from loopspec.runtime.records.readings import Position, Readings, read_readings


def _read(tmp_path, *records) -> Readings:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return read_readings(path)


def test_a_validation_without_clocks_stands_where_its_step_stood(tmp_path):
    train = {"kind": "train", "step": 3, "loss": 5.0, "tokens": 192, "seconds": 1.5}
    readings = _read(tmp_path, train, {"kind": "validation", "step": 3, "validation_bpb": 2.5, "seconds": 1.6})
    assert readings.validation[0].position == Position(3, tokens=192, flops=None, seconds=1.6)
    assert readings.validation[0].bits_per_byte == 2.5 and readings.validation[0].loss is None


def test_other_stages_are_counted_apart(tmp_path):
    steps = [
        {"kind": "train", "step": n, "loss": 5.0, "stage": s} for n, s in ((1, "main"), (2, "replay"), (3, "replay"))
    ]
    readings = _read(tmp_path, *steps, {"kind": "event", "step": 3})
    assert [reading.position.steps for reading in readings.train] == [1]
    assert (readings.further, readings.last_step) == ({"replay": 2}, 3)


def test_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "train", "step": 1, "loss": 5.0}\n{"kind": "tra')
    assert read_readings(path).last_step == 1


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (["{"], "metrics.jsonl:1: not JSON"),
        (["[" * 100_000], "nested too deeply|not JSON"),
        ([{"kind": "train", "step": 1}], "metrics.jsonl:1: a train record without a loss"),
        ([{"kind": "train", "step": 1, "loss": "low"}], "metrics.jsonl:1: loss is 'low', not a number"),
        (['{"kind": "train", "step": 1, "loss": NaN}'], "metrics.jsonl:1: loss is nan, not a number"),
        ([{"kind": "train", "step": 1, "loss": 5.0, "tokens": True}], "tokens is True, not a number"),
        ([{"kind": "train", "step": n, "loss": 5.0} for n in (2, 2)], "metrics.jsonl:2: step 2 comes after step 2"),
        (
            [{"kind": "train", "step": n, "loss": 5.0, "tokens": 9 - n} for n in (1, 2)],
            "metrics.jsonl:2: tokens 7 come after 8",
        ),
        ([f'{{"kind": "train", "step": 1, "loss": 1{"0" * 400}}}'], "metrics.jsonl:1: loss is 10+, not a number"),
        ([f'{{"kind": "train", "step": 1, "loss": 1{"0" * 5000}}}'], "metrics.jsonl: not JSON"),
    ],
)
def test_damage_is_one_line(tmp_path, records, message):
    with pytest.raises(RecordError, match=message):
        _read(tmp_path, *records)


def test_other_bytes(tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"kind"\xff\n')
    with pytest.raises(RecordError, match=r"metrics\.jsonl: not UTF-8 at byte 7"):
        read_readings(tmp_path / "metrics.jsonl")
