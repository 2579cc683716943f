"""From a spec to the score of its unpacked artifact, through the command line; the run in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from support.workshop import Workshop

from loopspec.compiler import load_plan
from loopspec.runtime.cli import main


@pytest.fixture(scope="module")
def finished(workshop: Workshop) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One whole run and what it printed."""
    folder = workshop.folder / "first"
    return folder, workshop.run("run", workshop.spec, "-o", folder)


def test_run_ends_with_the_table_and_the_report(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = finished
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    for row in (
        "parameters stored",
        "bytes real",
        "BPB at stop",
        "BPB after averaging",
        "BPB of the artifact",
        "xz -9e",
    ):
        assert row in done.stdout
    report = json.loads((folder / "report.json").read_text())
    assert report["size"]["artifact_bytes"] == (folder / "artifact.loopspec").stat().st_size
    assert report["training"]["mode_counts"] == {"full": 20, "single": 20}
    assert abs(report["scores"]["artifact"] - report["scores"]["average"]) < 0.1
    assert {path.name for path in folder.iterdir()} >= {
        "spec.yaml",
        "plan.txt",
        "model.py",
        "metrics.jsonl",
        "checkpoints",
    }


def test_the_score_comes_from_the_file_alone(
    workshop: Workshop,
    finished: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The artifact, moved away from its run, gives the reported score again."""
    monkeypatch.chdir(workshop.folder)
    folder, _ = finished
    moved = tmp_path / "elsewhere.loopspec"
    moved.write_bytes((folder / "artifact.loopspec").read_bytes())
    assert main(["eval", str(moved), "--format", "json"]) == 0
    scored = json.loads(capsys.readouterr().out)
    report = json.loads((folder / "report.json").read_text())
    assert scored["bits_per_byte"] == report["scores"]["artifact"]
    assert scored["tokens"] == 299  # every target of the 300 validation tokens


def test_unpack_writes_the_stores_of_the_plan(
    finished: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    folder, _ = finished
    words = ["unpack", str(folder / "artifact.loopspec"), "-o", str(tmp_path / "parts")]
    assert main(words) == 0
    plan = load_plan(tmp_path / "parts" / "spec.yaml")
    with np.load(tmp_path / "parts" / "weights.npz") as weights:
        assert [(name, weights[name].shape) for name in weights.files] == [(s.name, s.shape) for s in plan.stores]
    assert main(words) == 1


def test_pack_of_the_run_gives_the_same_artifact(
    workshop: Workshop,
    finished: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another process packs the same bits."""
    monkeypatch.chdir(workshop.folder)
    folder, _ = finished
    assert main(["pack", str(folder), "-o", str(tmp_path / "again.loopspec")]) == 0
    assert (tmp_path / "again.loopspec").read_bytes() == (folder / "artifact.loopspec").read_bytes()


@pytest.mark.torture  # the fault tests kill and resume runs faster
def test_a_killed_and_resumed_run_gives_the_same_artifact(
    workshop: Workshop, finished: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    folder, _ = finished
    other = workshop.folder / "killed"
    killed = subprocess.Popen(
        workshop.command("run", workshop.spec, "-o", other),
        cwd=workshop.folder,
        env=workshop.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 600
    while not (other / "checkpoints" / "latest").exists():
        assert killed.poll() is None and time.monotonic() < deadline, "ended before its first checkpoint"
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (other / "artifact.loopspec").exists(), "killed too late to prove anything"
    workshop.run("run", "--resume", other)
    assert (other / "artifact.loopspec").read_bytes() == (folder / "artifact.loopspec").read_bytes()


def test_faults_are_one_line_each(
    workshop: Workshop,
    finished: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, _ = finished
    monkeypatch.chdir(workshop.folder)
    cut = tmp_path / "cut.loopspec"
    cut.write_bytes((folder / "artifact.loopspec").read_bytes()[:-7])
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "short_000.bin").write_bytes(b"\0" * 100)
    cases: dict[tuple[str | Path, ...], str] = {
        ("eval", cut): "cut.loopspec",
        ("eval", tmp_path / "missing.loopspec"): "missing.loopspec",
        ("eval", folder / "artifact.loopspec", "--text", tmp_path / "latin.txt"): "latin.txt",
        ("eval", folder / "artifact.loopspec", "--tokenizer", workshop.spec): "tiny.yaml",
        ("run", workshop.spec, "-o", folder): "holds a run already",
        ("run", "--resume", tmp_path): "holds no run",
        ("run", workshop.spec, "-o", tmp_path / "a", "--set", "data.source.train=none_*.bin"): "none_*.bin",
        ("run", workshop.spec, "-o", tmp_path / "b", "--set", f"data.source.train={tmp_path}/short_*.bin"): "short_000",
        ("pack", tmp_path): "holds no run",
    }
    for words, expected in cases.items():
        assert main([str(word) for word in words]) == 1, words
        error = capsys.readouterr().err
        assert expected in error.splitlines()[-1] and "Traceback" not in error, f"{words}: {error}"
