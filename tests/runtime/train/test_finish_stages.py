"""What follows training: replay of the last batches, and distillation from the average."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_run import CountingBatches, advance, make_train, make_trainer, run

from loopspec.compiler.spec.batches import BatchPhase, BatchShape
from loopspec.compiler.spec.train import Average, Finish, Start
from loopspec.runtime.train.errors import TrainingError
from loopspec.runtime.train.finish_stages import DistillStage, distillation_divergence
from loopspec.runtime.train.metrics import read_records

GOLDEN = Path(__file__).parents[2] / "golden"
REPLAY = Finish("replay", 0.1, batches=4, epochs=2)
DISTILL = Finish("distill", 0.05, steps=3, temperature=2.0, alpha=0.7, mean_over="tokens")
BOTH = make_train(10, finish=(REPLAY, DISTILL))


def recorded_logits() -> tuple[torch.Tensor, torch.Tensor, dict[str, float]]:
    with np.load(GOLDEN / "schedules.npz") as arrays:
        student, teacher = (torch.from_numpy(arrays[f"{name}_logits"]) for name in ("student", "teacher"))
    return student, teacher, json.loads((GOLDEN / "schedules.json").read_text())["distill"]


class Fixed(torch.nn.Module):
    """Gives one parameter as its logits."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(logits.clone())

    def forward(self, tokens: torch.Tensor, mode: str) -> torch.Tensor:
        assert mode == "full" and tokens.shape == self.logits.shape[:2]
        return self.logits


def test_the_divergence_of_the_published_runs() -> None:
    student, teacher, golden = recorded_logits()
    assert distillation_divergence(student, teacher, 2.0).item() == pytest.approx(golden["per_token"], rel=1e-6)


@pytest.mark.parametrize(("mean_over", "key"), [("tokens", "per_token"), ("sequences", "kl_batchmean")])
def test_the_loss_of_the_published_runs(mean_over: Any, key: str) -> None:
    """The published batchmean is over sequences, and so as much more as each has tokens."""
    student, teacher, golden = recorded_logits()
    inputs, targets = torch.zeros((3, 5), dtype=torch.int64), torch.arange(15).reshape(3, 5) % 7
    spec: Any = SimpleNamespace(train=make_train(), activities={"distill": "full"})
    stage = DistillStage(replace(DISTILL, mean_over=mean_over), spec, Fixed(student), {"logits": teacher})
    truth = F.cross_entropy(student.flatten(0, 1), targets.flatten()).item()
    loss = stage.loss(inputs, targets, "full")
    assert loss.item() == pytest.approx(0.7 * golden[key] + 0.3 * truth, rel=1e-6)


def test_the_divergence_of_a_teacher_from_itself_is_nothing() -> None:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    assert distillation_divergence(logits, logits, 3.0).item() == pytest.approx(0.0, abs=1e-6)


def test_the_teacher_stands_still_and_the_student_moves(tmp_path: Path) -> None:
    trainer, module, folder = make_trainer(tmp_path, make_train(10, finish=(DISTILL,)))
    with folder:
        advance(trainer, 10)
        average = trainer.weights()
        advance(trainer, 1)
        stage: Any = trainer._itinerary._stage
        held = dict(stage._teacher.named_parameters())
        advance(trainer, 2)
        assert stage.done == 3
        for name, weight in average.items():
            assert torch.equal(held[name], weight) and not held[name].requires_grad, name
            assert not torch.equal(module.get_parameter(name), weight), name
        assert not stage._teacher.training and module.training


class Listing(CountingBatches):
    """Notes the number of every micro-batch that is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[int, int, int]] = []

    def take(self, sequences: int, length: int, *rows: slice) -> Any:
        self.taken.append((self.position, sequences, length))
        return super().take(sequences, length, *rows)


def test_a_replay_takes_the_last_batches_again_in_order_and_the_loader_goes_on_after_them(tmp_path: Path) -> None:
    batches = Listing()
    result, _, _ = run(tmp_path, BOTH, batches=batches)
    positions = [position for position, *_ in batches.taken]
    last = list(range(12, 20))  # two micro-batches of each of steps 6 to 9, from 0
    assert positions == [*range(20), *last, *last, *range(20, 26)]
    assert result.stages == {"main": 10, "replay": 8, "distill": 3} and result.step == 21
    assert result.average_updates == 21
    records = read_records(tmp_path / "metrics.jsonl")
    assert [record["stage"] for record in records] == ["main"] * 10 + ["replay"] * 8 + ["distill"] * 3
    assert {record["lr_scale"] for record in records[10:18]} == {0.1}
    assert {record["lr_scale"] for record in records[18:]} == {0.05}
    # a distillation's teacher runs forward too
    flops = [after["flops"] - before["flops"] for before, after in pairwise(records[16:])]
    assert flops == [24 * 300] + [24 * 400] * 3


def test_a_replay_has_the_shapes_of_its_batches(tmp_path: Path) -> None:
    short = BatchPhase(BatchShape(3, 24, 1), steps=8)
    batches = Listing()
    run(tmp_path, make_train(10, batch_schedule=(short,), finish=(replace(REPLAY, epochs=1),)), batches=batches)
    assert batches.taken[:8] == [(position, 8, 3) for position in range(8)]
    assert batches.taken[8:12] == [(position, 2, 6) for position in range(8, 12)]
    assert batches.taken[12:] == [(6, 8, 3), (7, 8, 3), *((position, 2, 6) for position in range(8, 12))]


def test_muon_keeps_its_last_momentum(tmp_path: Path) -> None:
    """Its warm-up takes 10 steps; training took 5."""
    trainer, _, folder = make_trainer(tmp_path, make_train(5, finish=(REPLAY,)))
    momentums = []
    with folder:
        for _ in range(13):
            advance(trainer, 1)
            momentums.append(trainer._stepper.optimizers.optimizers["matrices"].param_groups[0]["momentum"])
    assert momentums[:5] == sorted(set(momentums))
    assert momentums[4:] == pytest.approx([0.85 + 0.4 * 0.1] * 9)


@pytest.mark.parametrize("stop_after", [9, 10, 12, 18, 19, 20])
def test_stopped_and_resumed_is_bit_identical(tmp_path: Path, stop_after: int) -> None:
    """Before, between and amid replay and distillation, whose teacher the checkpoint holds."""
    straight = run(tmp_path / "straight", BOTH)
    trainer, _, folder = make_trainer(tmp_path / "stopped", BOTH)
    with folder:
        advance(trainer, stop_after)
        trainer._save(final=True)
        trainer._recorder.close()
    torch.manual_seed(99)
    resumed = run(tmp_path / "stopped", BOTH, resume=True)
    assert resumed[0].stages == straight[0].stages
    for ours, theirs in zip(straight[1:], resumed[1:], strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    losses = [[r["loss"] for r in read_records(tmp_path / name / "metrics.jsonl")] for name in ("straight", "stopped")]
    assert losses[0] == losses[1]


def test_a_teacher_of_nothing_is_one_error(tmp_path: Path) -> None:
    """A snapshot that was to come, where the clock ended training before it."""
    late = {"swa": Average("swa", every=1, start=Start(step=50))}
    with pytest.raises(TrainingError, match=r"train\.averages\.swa: it holds no weights yet; begin it earlier"):
        run(tmp_path, make_train(10, averages=late, load="swa", finish=(DISTILL,)))


def test_the_loss_that_is_reported_is_of_training_itself(tmp_path: Path) -> None:
    """A distillation's is another quantity, and a replay's is of batches that were seen; after a resume too."""
    straight, _, _ = run(tmp_path / "straight", BOTH)
    losses = [record["loss"] for record in read_records(tmp_path / "straight" / "metrics.jsonl")]
    assert straight.train_loss == losses[9] != losses[-1]
    trainer, _, folder = make_trainer(tmp_path / "stopped", BOTH)
    with folder:
        advance(trainer, 19)
        trainer._save(final=True)
        trainer._recorder.close()
    assert run(tmp_path / "stopped", BOTH, resume=True)[0].train_loss == losses[9]


def test_a_fault_in_what_follows_loses_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No checkpoint is due when training ends: it is saved all the same, and the run goes on from there."""
    train = replace(BOTH, finish=(DISTILL,), checkpoint_every=0)
    straight = run(tmp_path / "straight", train)

    def broken(self: DistillStage, *batch: Any) -> torch.Tensor:
        raise TrainingError("no memory for two models")

    with monkeypatch.context() as patch:
        patch.setattr(DistillStage, "loss", broken)
        with pytest.raises(TrainingError, match=r"two models; last good checkpoint: .*step-000000010\.ckpt"):
            run(tmp_path / "broken", train)
    taken: list[int] = []
    monkeypatch.setattr(DistillStage, "loss", _counted(taken))
    resumed = run(tmp_path / "broken", train, resume=True)
    assert len(taken) == 3 * train.accumulation and resumed[0].resumed_step == 10
    for ours, theirs in zip(straight[1:], resumed[1:], strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def _counted(taken: list[int]) -> Any:
    loss = DistillStage.loss

    def counted(self: DistillStage, *batch: Any) -> torch.Tensor:
        taken.append(1)
        return loss(self, *batch)

    return counted
