"""A run's phases: what a failed one leaves, what a resumed one reports, and the process that scores."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from loopspec.compiler import load_plan
from loopspec.compiler.plan import Plan
from loopspec.runtime.artifact import ArtifactError
from loopspec.runtime.data.errors import DataError
from loopspec.runtime.data.shards import write_shard
from loopspec.runtime.pipeline import run
from loopspec.runtime.pipeline.console import Console
from loopspec.runtime.pipeline.device import DeviceError
from loopspec.runtime.pipeline.run import Phases, finish_run, score_in_fresh_process, train_phases
from loopspec.runtime.pipeline.run_options import RunOptions
from loopspec.runtime.pipeline.session import training_session
from loopspec.runtime.train.run_folder import RunFolder
from loopspec.runtime.train.world import World

CPU = torch.device("cpu")


def trained(plan: Plan, path: Path, *, device: str = "cpu") -> run.Trained:
    with training_session(plan, path, RunOptions(device=device)) as session:
        return session.trained


def test_a_run_that_fails_before_training_leaves_its_folder_free(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    kept = np.fromfile(tmp_path / "train_0.bin", dtype=np.uint8)
    (tmp_path / "train_0.bin").unlink()
    with pytest.raises(DataError, match="no file matches"):
        trained(plan, folder)
    write_shard(tmp_path / "train_0.bin", np.array([1, 335]))
    with pytest.raises(DataError):  # too few tokens for one batch
        trained(plan, folder)
    kept.tofile(tmp_path / "train_0.bin")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError):
        trained(plan, folder, device="cuda")
    assert not folder.exists()
    assert trained(plan, folder).result.outcome == "finished"
    assert {"spec.yaml", "plan.txt", "model.py"} <= {path.name for path in folder.iterdir()}


def test_without_a_declared_average_the_last_weights_are_packed(plan: Plan, spec: Path, tmp_path: Path) -> None:
    plain = trained(plan, tmp_path / "plain")
    assert plain.averaged is None and plain.weights is plain.last
    averaging = load_plan(spec, ["train.averages={ema: {kind: ema, decay: 0.9}}", "train.load=ema"])
    both = trained(averaging, tmp_path / "averaging")
    assert both.averaged is not None and both.weights is both.averaged
    assert not all(torch.equal(weight, both.last[name]) for name, weight in both.averaged.items())


def test_training_seconds_are_those_of_the_whole_training(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished run, resumed: this process trains nothing, and the report still says how long training took."""
    trained(plan, tmp_path / "run")
    monkeypatch.setattr(
        run,
        "score_in_fresh_process",
        lambda artifact, device: {"bits_per_byte": 1.0, "non_overlapping_bits_per_byte": 1.5},
    )
    phases = Phases(Console())
    with RunFolder(tmp_path / "run", resume=True, event=pytest.fail) as folder:
        data, again = train_phases(plan, folder, RunOptions(resume=True), phases, World(), CPU)
        again = replace(again, result=replace(again.result, seconds=1234.5, elsewhere={"validation": 6.5}))
        finish_run(plan, folder, data, again, phases)
        written = json.loads(folder.report.read_text())
    seconds = written["seconds"]
    assert (seconds["training"], seconds["validation"]) == (1234.5, 6.5)
    assert list(seconds)[:6] == ["data", "training", "float scores", "packing", "artifact score", "yardsticks"]
    assert written["scores"]["artifact_non_overlapping"] == 1.5
    assert written["flops"] == again.result.flops > 0 and written["peak_memory_bytes"] > 0


STAND_IN = """\
import dataclasses, importlib.util, json, sys
found = {name: importlib.util.find_spec(name).origin for name in ("json", "torch", "dataclasses")}
words = sys.argv[1:]
print(json.dumps({"found": found, "words": words, "bits_per_byte": 1, "non_overlapping_bits_per_byte": 1}))
"""
"""A command line in the package's place, which tells where its imports come from without torch's own three seconds."""


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands: among files named as modules that the command line imports."""
    path = tmp_path / "stand"
    path.mkdir()
    for name in ("json", "torch", "dataclasses"):
        (path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(path)
    return path


def test_the_fresh_process_imports_nothing_from_where_the_user_stands(
    stand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "elsewhere" / "loopspec" / "runtime"
    package.mkdir(parents=True)
    for path in (package.parent / "__init__.py", package / "__init__.py"):
        path.touch()  # or the real package would go before it
    (package / "cli.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    told = score_in_fresh_process(tmp_path / "a.loopspec", "cpu")
    assert told["words"][:2] == ["eval", str(tmp_path / "a.loopspec")]
    assert not any(Path(origin).is_relative_to(stand) for origin in told["found"].values())


@pytest.mark.torture
def test_the_fresh_process_scores_from_where_the_user_stands(
    artifact: Path, stand: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "_dev"))
    assert score_in_fresh_process(artifact, "cpu")["tokens"] == 59


@pytest.mark.parametrize("printed", ["welcome to this machine", "7", "\\377", "{}", '{"bits_per_byte": 1}'])
def test_a_fresh_process_that_prints_something_else_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    other = tmp_path / "python"
    other.write_text(f"#!/bin/sh\nprintf '{printed}'\n")
    other.chmod(0o755)
    monkeypatch.setattr(run.sys, "executable", str(other))
    shown = re.escape(repr(printed.replace("\\377", "\ufffd")))
    with pytest.raises(ArtifactError, match=rf"a\.loopspec: .* printed no score but {shown}"):
        score_in_fresh_process(Path("a.loopspec"), "cpu")
