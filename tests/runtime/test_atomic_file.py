"""Atomic writing: all or nothing."""

import os
import re
from pathlib import Path

import pytest

from loopspec.runtime.atomic_file import remove_leftovers, write_atomically

PARTIAL = r"\.file\.[0-9a-f]{16}\.partial"


@pytest.fixture(params=[0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_writes_all_chunks_for_whom_the_umask_allows(tmp_path, umask):
    path = tmp_path / "file"
    write_atomically(path, (b"one", memoryview(b" two")))
    assert path.read_bytes() == b"one two"
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def failing():
        yield b"new"
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, failing())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_synced_before_it_is_renamed_and_the_folder_after(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(Path(f"/proc/self/fd/{fd}").readlink().name), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    write_atomically(tmp_path / "file", [b"new"])
    assert re.fullmatch(PARTIAL, calls[0])
    assert calls[1:] == ["rename", tmp_path.name]


@pytest.mark.parametrize("killed_in", ["fsync", "replace"])
def test_leftovers_of_a_kill_are_told_from_other_files_and_removed(tmp_path, killed_in):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    others = [tmp_path / name for name in (".file.partial", ".file.0123.partial", "file.0123456789abcdef.partial")]
    for other in others:
        other.touch()
    pid = os.fork()
    if pid == 0:
        setattr(*((os, "fsync") if killed_in == "fsync" else (Path, "replace")), lambda *_: os._exit(9))
        write_atomically(path, [b"new"])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert path.read_bytes() == b"old"
    (leftover,) = set(tmp_path.iterdir()) - {path, *others}
    assert re.fullmatch(PARTIAL, leftover.name)
    assert remove_leftovers(tmp_path) == 1
    assert set(tmp_path.iterdir()) == {path, *others}
    assert remove_leftovers(tmp_path) == 0
