"""Warm-up: it runs every graph of training, and leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.small_specs import plan_of, small
from tiny_run import CPU, CountingBatches, advance
from torch import Tensor

from loopspec.compiler.emit.loader import build_module
from loopspec.runtime.train.checkpoint import CheckpointFolder, spec_hash
from loopspec.runtime.train.job import RunResult, TrainingJob
from loopspec.runtime.train.loop import Trainer
from loopspec.runtime.train.metrics import read_records
from loopspec.runtime.train.progress import Progress
from loopspec.runtime.train.run_folder import RunFolder
from loopspec.runtime.train.step import Stepper

GATE = {"kind": "parallel", "combine": {"kind": "ema_gate", "decay": 0.9, "scale": 0.5}}
GRAPH = [{"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}, "firing": GATE}]
TRAIN: dict[str, Any] = {
    "sequence_length": 6,
    "batch_tokens": 12,
    "batch_schedule": [{"until": {"steps": 2}, "sequence_length": 4, "batch_tokens": 16}],
    "stop": {"steps": 6},
    "schedule": {"warmup_steps": 1, "warmdown_steps": 2},
    "averages": {"ema": {"kind": "ema", "decay": 0.5, "debias": False}},
    "load": "ema",
    "finish": [{"kind": "replay", "batches": 2, "epochs": 1}],
    "cpu_threads": 1,
}


def plan_with(warm_up_steps: int) -> Any:
    core = {"count": 1, "attention": {"heads": 2, "kv_heads": 1}, "mlp": {"ratio": 2}}
    core["init"] = {"outputs": {"kind": "normal", "std": 0.2}}
    model = {"vocab_size": 16, "dim": 16}
    train = TRAIN | {"warm_up_steps": warm_up_steps}
    return plan_of(
        small(model=model, blocks={"core": core}, graph=GRAPH, train=train, cadence=[{"pattern": ["full", "single"]}])
    )


def trained(path: Path, warm_up_steps: int, **job: Any) -> tuple[RunResult, dict[str, Tensor], dict[str, Tensor]]:
    """Result, everything that the module holds, and the average."""
    plan = plan_with(warm_up_steps)
    module = build_module(plan, 0)
    with RunFolder(path, resume=False, event=pytest.fail) as folder:
        batches = CountingBatches()
        trainer = Trainer(TrainingJob(plan, module, batches, folder, CPU, progress=Progress(every_seconds=1e9), **job))
        result = trainer.run()
    return result, {name: value.clone() for name, value in module.state_dict().items()}, trainer.weights()


def plain(value: Any) -> Any:
    """With tensors as their bytes, so that == compares all of it."""
    if isinstance(value, Tensor):
        return (str(value.dtype), tuple(value.shape), value.detach().numpy().tobytes())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def test_it_leaves_everything_bit_identical(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cold, warm = trained(tmp_path / "cold", 0), trained(tmp_path / "warm", 3)
    assert "warm-up: 12 steps, 3 of each of 4 graphs, rolled back" in capsys.readouterr().err
    for ours, theirs in zip(cold[1:], warm[1:], strict=True):
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    states = []
    for name, steps in (("cold", 0), ("warm", 3)):
        folder = CheckpointFolder(tmp_path / name / "checkpoints", 1)
        path = folder.latest(pytest.fail)
        assert path is not None
        loaded = folder.load(path, spec_hash(plan_with(steps)), CPU)
        parts = ("model", "states", "optimizers", "average", "random", "batches", "counts", "itinerary", "train_loss")
        states.append({part: plain(getattr(loaded, part)) for part in parts})
    for part, value in states[0].items():
        assert states[1][part] == value, part
    logs = [read_records(tmp_path / name / "metrics.jsonl") for name in ("cold", "warm")]
    timed = {"began_seconds", "seconds"}
    assert [{k: v for k, v in r.items() if k not in timed} for r in logs[0]] == [
        {k: v for k, v in r.items() if k not in timed} for r in logs[1]
    ]


def test_it_runs_every_mode_on_every_shape_off_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, ran, scales = Stepper.run, list[tuple[str, int]](), list[float]()

    def listed(self: Stepper, step: int, order: Any, *rest: Any, **options: Any) -> Any:
        ran.append((order.mode, order.shape.sequence_length))
        scales.append(order.lr_scale)
        return run(self, step, order, *rest, **options)

    monkeypatch.setattr(Stepper, "run", listed)
    result, _, _ = trained(tmp_path, 1)
    assert sorted(ran[:4]) == [("full", 4), ("full", 6), ("single", 4), ("single", 6)]
    assert len(ran) == 4 + 6 + 2
    assert scales[:4] == [0.0] * 4 and all(scale > 0.0 for scale in scales[4:])
    assert result.elsewhere["compiling"] > 0.0
    assert result.stages == {"main": 6, "replay": 2} and result.tokens == 2 * 16 + 6 * 12


def test_without_the_way_back_the_run_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = trained(tmp_path / "cold", 0)
    monkeypatch.setattr(Trainer, "_restore", lambda self, checkpoint: None)
    warm = trained(tmp_path / "warm", 1)
    assert not all(torch.equal(cold[1][name], warm[1][name]) for name in cold[1])


@pytest.mark.parametrize(("steps", "warmed"), [(3, True), (7, False)])
def test_a_resumed_run_is_warmed_up_too_and_ends_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], steps: int, warmed: bool
) -> None:
    """Its process has compiled nothing yet; amid what follows training it stays cold."""
    straight = trained(tmp_path / "straight", 3)
    plan = plan_with(3)
    for stop in (steps, None):
        module = build_module(plan, 0)
        resume = stop is None
        with RunFolder(tmp_path / "run", resume=resume, event=pytest.fail) as folder:
            job = TrainingJob(plan, module, CountingBatches(), folder, CPU, progress=Progress(every_seconds=1e9))
            trainer = Trainer(job, resume=resume)
            if stop is None:
                capsys.readouterr()
                result = trainer.run()
                continue
            advance(trainer, stop)
            trainer._save(final=True)
            trainer._recorder.close()
    assert ("warm-up: 12 steps, 3 of each of 4 graphs" in capsys.readouterr().err) is warmed
    assert result.stages == straight[0].stages and result.tokens == straight[0].tokens
    for name, value in module.state_dict().items():
        assert torch.equal(value, straight[1][name]), name
    assert all(torch.equal(weight, straight[2][name]) for name, weight in trainer.weights().items())
    assert [r["loss"] for r in read_records(tmp_path / "run" / "metrics.jsonl")] == [
        r["loss"] for r in read_records(tmp_path / "straight" / "metrics.jsonl")
    ]
