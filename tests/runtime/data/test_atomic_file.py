"""Atomic writing: all or nothing."""

import pytest
from loopspec.runtime.data.atomic_file import write_atomically


def test_writes_all_chunks(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, (b"one", memoryview(b" two")))
    assert path.read_bytes() == b"one two"
    assert path.stat().st_mode & 0o777 == 0o644


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
