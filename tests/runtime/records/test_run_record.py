"""The state of a run, from its files."""

from __future__ import annotations

import pytest
from support.recorded_runs import REPORT, MadeUp

from loopspec.runtime.records.run_record import holds_run, read_run
from loopspec.runtime.train.run_folder import RunFolder


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (MadeUp(steps=10, report=REPORT), "finished"),
        (MadeUp(steps=10), "trained"),
        (MadeUp(steps=4, sets={"stop": "{seconds: 3, reserve_seconds: 1}"}), "trained"),  # 0.5 s a step
        (MadeUp(steps=3, sets={"stop": "{seconds: 3, reserve_seconds: 1}"}), "failed"),
        (MadeUp(steps=4, sets={"stop": "{steps: 9, tokens: 256}"}), "trained"),
        (MadeUp(steps=4, checkpoint=4), "interrupted"),
        (MadeUp(steps=4, checkpoint=3), "failed"),
        (MadeUp(steps=4, checkpoint=3, lock="999999999\n"), "interrupted"),
        (MadeUp(steps=0), "failed"),
    ],
)
def test_states(tmp_path, run, state):
    record = read_run(run.write(tmp_path / "run"))
    assert (record.state, record.faults) == (state, ())


def test_running_while_the_lock_is_held_and_not_after(tmp_path):
    path = MadeUp(steps=4, checkpoint=4).write(tmp_path / "run")
    with RunFolder(path, resume=True, event=pytest.fail):
        assert read_run(path).state == "running"
    assert read_run(path).state == "interrupted"


def test_looking_leaves_the_lock_of_a_dead_process(tmp_path):
    path = MadeUp(lock="999999999\n").write(tmp_path / "run")
    read_run(path)
    assert (path / "lock").read_text() == "999999999\n"


def test_every_fault_is_told(tmp_path):
    path = MadeUp().write(tmp_path / "run")
    (path / "spec.yaml").write_text("a: [\n")
    (path / "metrics.jsonl").write_text("{}\n")
    (path / "report.json").write_text('{"scores": []}')
    record = read_run(path)
    assert record.state == "damaged"
    assert [fault.partition(":")[0] for fault in record.faults] == ["spec.yaml", "metrics.jsonl", "report.json"]
    assert record.faults[2] == "report.json: scores is [], not an object"


def test_any_file_of_a_run_makes_a_run(tmp_path):
    assert not holds_run(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    assert holds_run(tmp_path) and read_run(tmp_path).faults == ("spec.yaml: missing",)


def test_a_lock_that_is_no_file_is_a_fault(tmp_path):
    path = MadeUp().write(tmp_path / "run")
    (path / "lock").mkdir()
    assert read_run(path).faults == ("lock: cannot be read (Is a directory)",)
