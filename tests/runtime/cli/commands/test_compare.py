"""Runs side by side."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from support.recorded_runs import REPORT, MadeUp, date

CLOCKS = {"tokens": 64, "flops": 2e12, "seconds": 0.5}
WIDER = {"tokens": 128, "flops": 8e12, "seconds": 1.0}

COMPARED = """\
A  a  (small, finished)
B  b  (small, trained)

warning: the learning rate of A follows the wall clock: equal steps, FLOPs are
  other places of its schedule on a faster or slower machine or model, so
  losses there do not tell which learns better
warning: at equal steps the learning-rate multipliers differ at 2 of 2 points,
  most at 5 (B 0.5, A 1)
warning: at equal FLOPs the learning-rate multipliers differ at 2 of 2 points,
  most at 8T (B 0.5, A 1)
specs of A and B: 2 keys differ, as written: not both are of this version
  model.dim: 32 -> 64
  train.schedule.clock: seconds -> absent

training loss at equal steps (mean of the last 2 records)
  at steps       A       B
         5  5.5500  5.5500
        10  5.0500  5.0500

learning-rate multiplier at equal steps
  at steps  A    B
         5  1  0.5
        10  1  0.5

validation BPB at equal steps
  at steps       A          B
         4  2.8000  2.8500 @3
         8  2.6000  2.7000 @6

training loss at equal FLOPs (mean of the last 2 records)
  at FLOPs       A       B
        8T  5.6500  5.9000
       16T  5.2500  5.8500

learning-rate multiplier at equal FLOPs
  at FLOPs  A    B
        8T  1  0.5
       16T  1  0.5

validation BPB at equal FLOPs
  at FLOPs       A  B
        8T  2.8000  -
       16T  2.6000  -

end                         A       B
steps                      10      10
tokens                    640   1,280
FLOPs                     20T     80T
seconds, as recorded    123.5    10.0
training loss          5.0500  5.0500
last validation BPB    2.6000  2.5500
BPB at stop            1.8300       -
BPB averaged           1.8100       -
BPB of the artifact    1.8412       -
bytes with code       412,345       -
bytes margin          107,655       -
parameters stored     300,000       -
  effective           600,000       -
"""


@pytest.fixture
def two(tmp_path) -> tuple[Path, Path]:
    """A: by the wall clock, with a report; B: twice the tokens and four times the FLOPs a step."""
    wall = {"schedule": "{warmdown_steps: 4, clock: seconds}"}
    MadeUp(clocks=CLOCKS, validations=[4, 8], sets=wall, report=REPORT).write(tmp_path / "a")
    MadeUp(clocks=WIDER, validations=[3, 6, 9], lr_scale=0.5, sets={"dim": "64"}).write(tmp_path / "b")
    return Path("a"), Path("b")


def test_text(cli, two):
    result = cli("compare", *two, "--at", "steps", "--at", "flops", "--points", 2, "--window", 2)
    assert (result.code, result.err) == (0, "")
    assert result.out == COMPARED
    assert max(map(len, result.out.splitlines())) < 80


def test_clocks_that_match_the_same_records_are_told_once(cli, tmp_path):
    for name in "ab":
        MadeUp().write(tmp_path / name)
    out = cli("compare", "a", "b").out
    assert "at equal tokens: the same records as at equal steps\n" in out
    assert "learning-rate multiplier: the same in all runs at each point\n" in out
    assert "at equal FLOPs, training: FLOPs not recorded in A, B\n" in out
    assert "warning" not in out and "specs of A and B: equal" in out


def test_at_the_end_nothing_is_matched(cli, two):
    out = cli("compare", *two, "--at", "end").out
    assert "at equal" not in out and "BPB of the artifact" in out


def test_seconds_compare_without_a_warning_of_the_schedule(cli, two):
    out = cli("compare", *two, "--at", "seconds").out
    assert "follows the wall clock" not in out
    assert "training loss at equal seconds as recorded (mean of the last 20 records)\n" in out


def test_what_makes_losses_other_things_is_said(cli, tmp_path):
    shipped = (Path(__file__).parents[4] / "specs" / "quickstart.yaml").read_text()
    for name, text in (("a", shipped), ("b", shipped.replace("vocab_size: 1024", "vocab_size: 512"))):
        MadeUp(more=[{"kind": "train", "step": 11, "stage": "replay", "loss": 9.0}]).write(tmp_path / name)
        (tmp_path / name / "spec.yaml").write_text(text)
    out = cli("compare", "a", "b").out
    assert "warning: training losses of A and B are not of the same thing: model.vocab_size\n  differ\n" in out
    assert "warning: BPB" not in out
    assert "specs of A and B: 1 key differs\n  model.vocab_size: 1024 -> 512\n  parameters: " in out
    assert "warning: A (failed): its last figures" in out and "left out (replay: 1 records)\n" in out


def test_json_holds_every_position(cli, two):
    found = json.loads(cli("compare", *two, "--at", "steps", "--points", 1, "--format", "json").out)
    assert [run["state"] for run in found["runs"]] == ["finished", "trained"]
    assert found["runs"][0]["wall_clock_schedule"] is True
    assert found["spec_differences"][0]["keys"][1] == {"key": "train.schedule.clock", "a": "seconds"}
    (section,) = found["matched"]
    (point,) = section["validation_bpb"]
    assert point["at"] == 8 and point["cells"][1]["position"] == {
        "steps": 6,
        "tokens": 768,
        "flops": 4.8e13,
        "seconds": 6.0,
    }
    assert found["end"]["bpb_artifact"] == [1.8412, None]


def test_csv_holds_the_same_figures_as_json(cli, two):
    result = cli("compare", *two, "--format", "csv", "--window", 3)
    rows = list(csv.DictReader(io.StringIO(result.out)))
    found = json.loads(cli("compare", *two, "--format", "json", "--window", 3).out)
    assert result.err.count("warning: ") == len(found["warnings"]) > 0
    for section in found["matched"]:
        cells = [cell for point in section["training_loss"] for cell in point["cells"] if cell is not None]
        losses = [row for row in rows if row["clock"] == section["clock"] and row["quantity"] == "training_loss"]
        assert [float(row["value"]) for row in losses] == [cell["loss"] for cell in cells]
        assert [int(row["steps"]) for row in losses] == [cell["position"]["steps"] for cell in cells]


def test_many_runs_stay_within_80_columns(cli, tmp_path):
    for number in range(9):
        MadeUp(clocks=CLOCKS, validations=[number + 1]).write(tmp_path / f"run-{number}")
    out = cli("compare", *(f"run-{number}" for number in range(9))).out
    assert max(map(len, out.splitlines())) < 80
    assert "I  run-8  (small, trained)\n" in out and out.count("at steps  ") == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a"], "give 2 to 26 run folders, not 1"),
        (["a", "none"], "none: there is no such run folder; `loopspec runs` lists those in runs"),
        (["a", "empty"], "empty: no run in it; `loopspec runs empty` lists those below it"),
        (["a", "b", "--points", "0"], "--points must be at least 1, not 0"),
        (["a", "broken"], "broken is damaged: report.json: not a JSON object; leave it out"),
    ],
)
def test_refusals(cli, two, tmp_path, words, message):
    (tmp_path / "empty").mkdir()
    broken = MadeUp().write(tmp_path / "broken")
    (broken / "report.json").write_text("[]")
    date(broken)
    result = cli("compare", *words)
    assert (result.code, result.out, result.err) == (2, "", f"loopspec: {message}\n")
