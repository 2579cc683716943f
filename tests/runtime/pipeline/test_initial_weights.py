"""A warm start that is killed before its first periodic checkpoint goes on from the warm weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from loopspec.compiler import load_plan
from loopspec.compiler.plan import Plan
from loopspec.runtime.pipeline import training
from loopspec.runtime.pipeline.run_options import RunOptions
from loopspec.runtime.pipeline.run_plan import read_run_plan
from loopspec.runtime.pipeline.session import training_session
from loopspec.runtime.pipeline.training import Trained
from loopspec.runtime.train.errors import CheckpointError
from loopspec.runtime.train.loop import Trainer


class Killed(BaseException):
    """Nothing of the program hears of it."""


def trained(plan: Plan, path: Path, **options: Any) -> Trained:
    with training_session(plan, path, RunOptions(device="cpu", **options)) as session:
        return session.trained


def test_killed_before_its_first_checkpoint_it_resumes_from_the_warm_weights(
    plan: Plan, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    trained(load_plan(spec, ["train.seed=5", "train.stop.steps=3"]), source)
    cold = trained(plan, tmp_path / "cold")
    straight = trained(plan, tmp_path / "straight", warm_start=source)
    order: list[bool] = []
    write = training.write_plan_files

    def written(plan: Plan, folder: Any) -> None:
        order.append((folder.checkpoints / "step-000000000.ckpt").exists())
        write(plan, folder)

    def killed(self: Trainer, order: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training, "write_plan_files", written)
        patch.setattr(Trainer, "_advance", killed)
        with pytest.raises(Killed):
            trained(plan, tmp_path / "run", warm_start=source)
    assert order == [True]
    resumed = trained(read_run_plan(tmp_path / "run"), tmp_path / "run", resume=True)
    assert resumed.result.outcome == "finished" and resumed.result.resumed_step == 0
    for name, weight in straight.last.items():
        assert torch.equal(resumed.last[name], weight), name
    assert not all(torch.equal(resumed.last[name], weight) for name, weight in cold.last.items())


@pytest.mark.parametrize("warm", [True, False])
def test_killed_before_it_was_a_run_leaves_the_folder_to_another(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: bool
) -> None:
    """Whose weights are its own."""
    cold = trained(plan, tmp_path / "cold")

    def killed(plan: Plan, folder: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training, "write_plan_files", killed)
        with pytest.raises(Killed):
            trained(plan, tmp_path / "run", **({"warm_start": tmp_path / "cold"} if warm else {}))
    again = trained(plan, tmp_path / "run")
    assert all(torch.equal(again.last[name], weight) for name, weight in cold.last.items())


def test_a_source_without_a_checkpoint_is_refused_before_data_are_read(plan: Plan, tmp_path: Path) -> None:
    trained(plan, tmp_path / "source")
    for path in (tmp_path / "source" / "checkpoints").iterdir():
        path.unlink()
    (tmp_path / "train_0.bin").unlink()
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        trained(plan, tmp_path / "run", warm_start=tmp_path / "source")
    assert not (tmp_path / "run").exists()
