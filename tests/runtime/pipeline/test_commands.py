"""Faults that the commands on artifacts report: one line, with the mend, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopspec.runtime.cli import main


def test_eval_refuses_a_stride_beyond_the_window_before_it_reads_data(
    artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "val_0.bin").unlink()
    assert main(["eval", str(artifact), "--stride", "1000"]) == 1
    error = capsys.readouterr().err
    assert "stride 1000" in error and "from 1 to the window's 16 tokens" in error and len(error.splitlines()) == 1


def test_unpack_where_nothing_can_be_written(
    artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for folder in (Path("/proc/x"), tmp_path / "file" / "x"):
        assert main(["unpack", str(artifact), "-o", str(folder)]) == 1
        (error,) = capsys.readouterr().err.splitlines()
        assert f"{folder} cannot be written (" in error and error.endswith("; name another folder with -o")
