"""The list of runs."""

from __future__ import annotations

import json
import time

import pytest
from support.recorded_runs import REPORT, MadeUp, date

LISTED = """\
run           spec   state                            steps      last written
    loss  val BPB  artifact BPB    bytes   margin  seconds
runs/broken   small  damaged                           0/10  2023-11-14 22:13
       -        -             -        -        -        -
  ! metrics.jsonl:1: not JSON (Expecting property name enclosed in double
    quotes); remove the line to go on
runs/clocked  small  interrupted  4 (to 1.6G tokens or 6 s)  2023-11-14 22:13
  5.6000        -             -        -        -      2.0
runs/done     small  finished                         10/10  2023-11-14 22:13
  5.0000   2.5500        1.8412  412,345  107,655    123.5
runs/old      small  trained                          10/10  2023-11-14 22:13
  5.0000        -             -        -        -        -
"""


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    folder = tmp_path / "runs"
    MadeUp(validations=[5, 9], report=REPORT).write(folder / "done")
    MadeUp(steps=4, checkpoint=4, sets={"stop": "{tokens: 1600000000, seconds: 6}"}).write(folder / "clocked")
    MadeUp(clocks={}).write(folder / "old")
    broken = MadeUp().write(folder / "broken")
    (broken / "metrics.jsonl").write_text("{nonsense\n")
    date(folder)
    yield folder
    monkeypatch.undo()
    time.tzset()


def test_the_list(cli, runs):
    result = cli("runs")
    assert (result.code, result.err) == (1, "")
    assert result.out == LISTED
    assert max(map(len, result.out.splitlines())) < 80


def test_long_paths_have_a_line_of_their_own(cli, runs):
    long = MadeUp().write(runs / ("x" * 70) / ("y" * 70))
    lines = cli("runs", long).out.splitlines()
    assert max(map(len, lines)) < 80
    assert lines[0] == "run" and lines[3].startswith("runs/xxx") is False
    assert "…" in lines[3] and lines[4] == "  small  trained  10/10  2023-11-14 22:13"


def test_sorted_with_those_that_lack_the_figure_last(cli, runs):
    def order(*words):
        rows = json.loads(cli("runs", "--format", "json", *words).out)
        return [row["path"].removeprefix("runs/") for row in rows]

    assert order("--sort", "artifact") == ["done", "broken", "clocked", "old"]
    assert order("--sort", "seconds") == ["clocked", "done", "broken", "old"]
    assert order("--sort", "seconds", "--reverse") == ["done", "clocked", "broken", "old"]


def test_json(cli, runs):
    (row,) = json.loads(cli("runs", runs / "done", "--format", "json").out)
    assert row == {
        "path": str(runs / "done"),
        "spec": "small",
        "state": "finished",
        "step": 10,
        "stop": {"steps": 10, "tokens": None, "seconds": None},
        "loss": 5.0,
        "validation_bpb": 2.55,
        "artifact_bpb": 1.8412,
        "bytes": 412345,
        "margin": 107655,
        "seconds": 123.45,
        "written": "2023-11-14T22:13:20+00:00",
        "faults": [],
    }


def test_folders_that_are_no_runs_are_told(cli, runs):
    (runs / "done" / "checkpoints").mkdir()
    for name in ("a", "b"):
        (runs / name).mkdir()
    assert cli("runs").err == "runs: no run in a, b\n"
    result = cli("runs", runs / "a")
    assert (result.code, result.out, result.err) == (0, "", f"{runs / 'a'}: no run in it\n")


def test_a_folder_that_is_not_there(cli):
    result = cli("runs")
    assert (result.code, result.out) == (2, "")
    assert result.err == "loopspec: runs: there is no such folder; name one that holds runs, or start a run\n"
