"""`influence` and `sensitivity` on an artifact and on a tiny run, as their user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from loopspec.compiler import load_plan
from loopspec.runtime.analyse.influence import run_influence
from loopspec.runtime.analyse.sensitivity_record import read_sensitivity
from loopspec.runtime.cli import main
from loopspec.runtime.train.checkpoint import spec_hash

FEW = ["--batches", "2", "--sequences", "1"]


@pytest.fixture
def run(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Two steps of three blocks in two loops."""
    text = spec.read_text().replace("count: 1", "count: 3")
    spec.write_text(text)
    assert main(["train", str(spec), "-o", str(tmp_path / "run"), "--device", "cpu"]) == 0
    capsys.readouterr()
    return tmp_path / "run"


def test_influence_of_an_artifact(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["influence", str(artifact), *FEW, "--mode", "single", "--format", "json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["mode"], value["batches"], value["tokens"]) == ("single", 2, "training")
    assert [row["block"] for row in value["positions"]] == ["core.0"]
    assert main(["influence", str(artifact), "--mode", "other"]) == 1
    assert "no mode is named 'other'; the model has full, single" in capsys.readouterr().err


def test_influence_of_a_run_with_a_tie(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tied, plot = tmp_path / "ties" / "tied.yaml", tmp_path / "p.svg"
    tied.parent.mkdir()
    words = ["influence", str(run), *FEW, "--propose", "3", "--choose", "2", "--size", "2"]
    assert main([*words, "--plot", str(plot), "-o", str(tied)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("influence of tiny, mode full\n") and "ties, least influence first" in out
    assert plot.read_text().startswith("<svg ")
    assert main(["validate", str(tied)]) == 0
    plan, before = load_plan(tied), load_plan(run / "spec.yaml")
    assert len(plan.spec.architecture.blocks["core"]) < 3 and len(plan.positions) == len(before.positions) == 6
    assert 'extends: "../run/spec.yaml"\n' in tied.read_text() and plan.spec.name == "tiny-tied"
    assert set(tied.read_text().split("extends")[1].splitlines()) >= {"blocks:", "graph:"}
    assert "train:" not in tied.read_text()
    capsys.readouterr()
    text = tied.read_text()
    assert main([*words, "-o", str(tied)]) == 1 and tied.read_text() == text
    assert "exists already" in capsys.readouterr().err


def test_the_influence_that_merges_go_by(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["influence", str(run), "--mode", "full", "--format", "json"]) == 0
    positions = json.loads(capsys.readouterr().out)["positions"]
    assert run_influence(run, lambda text: None) == [row["influence"]["mean"] for row in positions]


def test_an_artifact_has_no_file_to_extend(artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["influence", str(artifact), *FEW, "--propose", "1"]
    assert main(words) == 0
    assert "none: no two blocks of a group can share" in capsys.readouterr().out
    assert main([*words, "-o", str(tmp_path / "tied.yaml")]) == 1
    assert "there is no proposal 1, only 0; nothing was written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batches", "0"], "--batches must be at least 1, not 0"),
        (["--propose", "0"], "--propose must be at least 1, not 0"),
        (["--propose", "2", "--choose", "3"], "--choose must be from 1 to 2, not 3"),
        (["--propose", "2", "--size", "1"], "--size must be at least 2, not 1"),
        (["-o", "x.yaml"], "-o and --contiguous are about proposals; give --propose N too"),
        (["--seed", "-1"], "--seed must be at least 0, not -1"),
    ],
)
def test_words_that_make_no_sense(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["influence", "nowhere", *words]) == 2
    assert message in capsys.readouterr().err


def test_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("influence", "sensitivity"):
        assert main([command, str(tmp_path)]) == 1
        assert "holds no run" in capsys.readouterr().err
        assert main([command, str(tmp_path / "nothing")]) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_sensitivity_of_a_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sensitivity", str(run), *FEW, "-o"]
    assert main([*words, str(tmp_path / "rows.npz")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("sensitivity of tiny, mode full\n") and " blocks.core.2.mlp.up " in out
    assert main([*words, str(tmp_path / "rows.json"), "--format", "json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value == json.loads((tmp_path / "rows.json").read_text())
    plan = load_plan(run / "spec.yaml")
    assert value["spec_sha256"] == spec_hash(plan) and value["tokens"] == "training"
    first, second = (read_sensitivity(tmp_path / f"rows{suffix}", plan) for suffix in (".json", ".npz"))
    assert first.about == second.about
    assert all((one.fisher == two.fisher).all() for one, two in zip(first.stores, second.stores, strict=True))
    assert main([*words, str(tmp_path / "rows.txt")]) == 1
    assert "name it so" in capsys.readouterr().err


def test_validation_tokens_change_nothing(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both read training tokens only: with another validation text the figures stay."""
    figures = []
    for _ in range(2):
        for command in ("influence", "sensitivity"):
            assert main([command, str(run), *FEW, "--format", "json"]) == 0
            figures.append(json.loads(capsys.readouterr().out))
        shard = tmp_path / "val_0.bin"
        data = shard.read_bytes()
        text = np.frombuffer(data[-60:], dtype="<u2")[::-1]  # the last tokens the other way round
        assert text.tobytes() != data[-60:]
        shard.write_bytes(data[:-60] + text.tobytes())
    assert figures[:2] == figures[2:]
