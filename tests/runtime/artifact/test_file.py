from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from loopspec.compiler.spec.quantization import Codec, Scheme
from loopspec.runtime.artifact import (
    LOOPSPEC_VERSION,
    ArtifactContents,
    ArtifactError,
    build_artifact,
    read_artifact,
    write_artifact,
)
from loopspec.runtime.quantize import encode

PARTIAL = r"\.model\.lsa\.[0-9a-f]{16}\.partial"


def contents(value=1.0):
    return ArtifactContents({"name": "x"}, {"w": encode("w", np.full(3, value), Scheme("float16"))}, None, "", {})


def test_writes_what_build_gives_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "model.lsa"
    summary = write_artifact(path, contents(), Codec())
    assert path.read_bytes() == build_artifact(contents(), Codec())[0]
    assert summary.bytes == path.stat().st_size
    assert read_artifact(path) == contents()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("before", [None, 2.0])
def test_a_failing_write_leaves_what_was_there(tmp_path, monkeypatch, call, before):
    path = tmp_path / "model.lsa"
    if before is not None:
        write_artifact(path, contents(before), Codec())
    old = path.read_bytes() if before is not None else None

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), fail)
    with pytest.raises(ArtifactError, match=r"model.lsa: cannot be written \(.*No space left"):
        write_artifact(path, contents(), Codec())
    assert (path.read_bytes() if path.exists() else None) == old
    assert [item for item in tmp_path.iterdir() if item != path] == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_process_killed_while_writing_leaves_nothing_that_opens(tmp_path, call):
    """The partial file stays, under a hidden name, and `path` does not exist."""
    path = tmp_path / "model.lsa"
    pid = os.fork()
    if pid == 0:
        if call == "fsync":
            os.fsync = lambda _: os._exit(9)
        else:
            Path.replace = lambda *_: os._exit(9)
        write_artifact(path, contents(), Codec())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert not path.exists()
    (leftover,) = tmp_path.iterdir()
    assert re.fullmatch(PARTIAL, leftover.name)


def test_the_file_is_synced_before_it_is_renamed_and_the_folder_after(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(Path(f"/proc/self/fd/{fd}").readlink().name), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    write_artifact(tmp_path / "model.lsa", contents(), Codec())
    assert re.fullmatch(PARTIAL, calls[0])
    assert calls[1:] == ["rename", tmp_path.name]


def test_reading_refuses_what_is_no_artifact(tmp_path):
    (tmp_path / "text").write_text("hello")
    for path, message in [
        (tmp_path / "absent", "absent: cannot be read .*; give an artifact"),
        (tmp_path, "cannot be read|not a regular file"),
        (Path("/dev/zero"), "/dev/zero: not a regular file"),
        (tmp_path / "text", "text: does not start with an artifact's magic"),
    ]:
        with pytest.raises(ArtifactError, match=message):
            read_artifact(path)


def test_an_oversized_file_is_refused_unread(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as handle:
        handle.truncate(2**40)
    with pytest.raises(ArtifactError, match="not a regular file of at most"):
        read_artifact(path)


def test_the_recorded_version_is_the_packages():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert project["project"]["version"] == LOOPSPEC_VERSION
