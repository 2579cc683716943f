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


@pytest.mark.parametrize("through_link", [False, True])
def test_what_is_no_regular_file_is_refused_before_anything_is_written(tmp_path, through_link):
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to("fifo")

    def unread():
        raise AssertionError("the content was asked for")
        yield b""

    path = link if through_link else fifo
    with pytest.raises(OSError, match="It is there and is no regular file") as caught:
        write_atomically(path, unread())
    assert caught.value.filename == str(path)
    assert fifo.is_fifo() and link.is_symlink() and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path, unread())


@pytest.mark.parametrize("old", [b"old", None])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path, old):
    path, folder = tmp_path / "file", tmp_path / "folder"
    folder.mkdir()
    if old is not None:
        (folder / "real").write_bytes(old)
    path.symlink_to("second")
    (tmp_path / "second").symlink_to("folder/real")
    write_atomically(path, [b"new"])
    assert path.is_symlink() and path.read_bytes() == (folder / "real").read_bytes() == b"new"
    assert [each.name for each in folder.iterdir()] == ["real"]


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "file").symlink_to("file")
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(tmp_path / "file", [b"new"])


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
