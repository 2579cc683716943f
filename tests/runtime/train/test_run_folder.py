"""The run folder: refusal to overwrite, and one process at a time."""

import os
from pathlib import Path

import pytest

from loopspec.runtime.train.errors import RunFolderError
from loopspec.runtime.train.run_folder import RunFolder


def test_new_folder_has_the_documented_names(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "a" / "run", resume=False, event=pytest.fail) as folder:
        paths = [getattr(folder, n) for n in ("spec", "plan", "model", "metrics", "checkpoints", "artifact", "report")]
        assert [path.name for path in paths] == [
            "spec.yaml",
            "plan.txt",
            "model.py",
            "metrics.jsonl",
            "checkpoints",
            "artifact.loopspec",
            "report.json",
        ]
        assert folder.path.is_dir()
        assert not folder.holds_run()


def test_refuses_to_overwrite_unless_resumed(tmp_path: Path) -> None:
    with RunFolder(tmp_path, resume=False, event=pytest.fail) as folder:
        folder.spec.write_text("name: x\n")
    with pytest.raises(RunFolderError, match="holds a run already; resume it, or name another folder"):
        RunFolder(tmp_path, resume=False, event=pytest.fail)
    with RunFolder(tmp_path, resume=True, event=pytest.fail) as folder:
        assert folder.spec.read_text() == "name: x\n"


def test_refuses_to_resume_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no run to resume"):
        RunFolder(tmp_path, resume=True, event=pytest.fail)
    RunFolder(tmp_path, resume=False, event=pytest.fail).close()  # the refusal gave the lock back


def test_a_folder_that_was_made_for_nothing_goes(tmp_path: Path) -> None:
    RunFolder(tmp_path / "a" / "run", resume=False, event=pytest.fail).close()
    assert list((tmp_path / "a").iterdir()) == []
    for there in (True, False):  # one that was there before stays, and so does one that holds anything
        path = tmp_path / str(there)
        if there:
            path.mkdir()
        with RunFolder(path, resume=False, event=pytest.fail) as folder:
            if not there:
                folder.plan.touch()
        assert (path / "lock").exists()


def test_a_lock_that_went_with_its_folder_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process had the folder, and removed it, between this one's opening of the lock and its locking."""
    open_file = os.open

    def removed(path: Path, *more: int) -> int:
        monkeypatch.undo()
        descriptor = open_file(path, *more)
        path.unlink()
        path.parent.rmdir()
        return descriptor

    monkeypatch.setattr(os, "open", removed)
    with (
        RunFolder(tmp_path / "run", resume=False, event=pytest.fail),
        pytest.raises(RunFolderError, match="in use by process"),
    ):
        RunFolder(tmp_path / "run", resume=False, event=pytest.fail)


def test_second_opener_is_told_who_has_it(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path, resume=False, event=pytest.fail),
        pytest.raises(RunFolderError, match=rf"in use by process {os.getpid()}; wait for it"),
    ):
        RunFolder(tmp_path, resume=False, event=pytest.fail)


def test_lock_of_a_dead_process_is_taken_over_with_an_event(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        RunFolder(tmp_path, resume=False, event=print)
        os._exit(0)  # no close: as if killed
    os.waitpid(child, 0)
    events: list[str] = []
    RunFolder(tmp_path, resume=False, event=events.append).close()
    assert events == [f"{tmp_path / 'lock'}: taken over from process {child}, which died without giving it back"]
    RunFolder(tmp_path, resume=False, event=pytest.fail).close()


def test_partial_files_of_killed_writes_are_removed_with_an_event(tmp_path: Path) -> None:
    partial = tmp_path / ".metrics.jsonl.0123456789abcdef.partial"
    (tmp_path / "spec.yaml").touch()
    partial.touch()
    with pytest.raises(RunFolderError, match="holds a run already"):
        RunFolder(tmp_path, resume=False, event=pytest.fail)
    assert partial.exists()
    events: list[str] = []
    RunFolder(tmp_path, resume=True, event=events.append).close()
    assert events == [f"run folder {tmp_path}: removed 1 partial files of killed writes"]
    assert not partial.exists()


def test_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be made"):
        RunFolder(tmp_path / "file", resume=False, event=pytest.fail)


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(RunFolderError, match=r"cannot be written \(Is a directory\); name another one"):
        RunFolder(tmp_path, resume=False, event=pytest.fail)


def test_what_a_start_left_that_never_was_a_run_gives_way(tmp_path: Path) -> None:
    """Killed between its first checkpoint (of a warm start) and spec.yaml: no step was taken."""
    (tmp_path / "checkpoints").mkdir()
    left = [tmp_path / name for name in ("metrics.jsonl", "clock.json", "outcome.json")]
    left += [tmp_path / "checkpoints" / name for name in ("step-000000000.ckpt", "latest")]
    for path in left:
        path.touch()
    events: list[str] = []
    RunFolder(tmp_path, resume=False, event=events.append).close()
    assert events == [f"run folder {tmp_path}: removed what a start left that ended before it was a run"]
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    RunFolder(tmp_path, resume=False, event=pytest.fail).close()


@pytest.mark.parametrize("name", ["checkpoints/step-000000001.ckpt", "metrics.jsonl", "spec.yaml", "report.json"])
def test_whatever_tells_of_a_step_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-000000000.ckpt").touch()
    (tmp_path / name).write_text("{}\n")
    with pytest.raises(RunFolderError, match="holds a run already"):
        RunFolder(tmp_path, resume=False, event=pytest.fail)
    assert (tmp_path / name).exists() and (tmp_path / "checkpoints" / "step-000000000.ckpt").exists()
