"""States in checkpoints: a run that was killed goes on with the buffers it had, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.small_specs import plan_of, small
from tiny_run import CPU, CountingBatches
from torch import Tensor, nn

from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.train import loop
from loopspec.runtime.train.checkpoint import CheckpointFolder, spec_hash
from loopspec.runtime.train.errors import CheckpointError, TrainingError
from loopspec.runtime.train.job import TrainingJob
from loopspec.runtime.train.loop import Trainer
from loopspec.runtime.train.metrics import read_records
from loopspec.runtime.train.progress import Progress
from loopspec.runtime.train.run_folder import RunFolder
from loopspec.runtime.train.states import load_states, states_of

GATED = {"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}}
GATED |= {"firing": {"kind": "parallel", "combine": {"kind": "ema_gate", "decay": 0.9, "scale": 0.5}}}
TRACED = [
    {"stage": "trunk", "blocks": "core"},
    {"stage": "bank", "blocks": "core", "skip_trace": {"inject": 0.5, "decay": 1.0}},
]
SPECS: dict[str, dict[str, Any]] = {
    "ema_gate": {"graph": [GATED], "cadence": [{"pattern": ["full", "single", "single"]}]},
    "skip_trace": {
        "graph": TRACED,
        "modes": {"resting": {"bank": {"loops": 0}}},
        "cadence": [{"pattern": ["full", "resting", "resting"]}],
    },
}
STEPS = 9


class KilledError(RuntimeError):
    """Ends a run without a word to it."""


class Mortal(CountingBatches):
    """Dies as it is asked for the first batch after `steps` steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def take(self, *shape: Any) -> Any:
        if self.position == self.steps:
            raise KilledError
        return super().take(*shape)


def plan_with(kind: str, **train: Any) -> Plan:
    fixed = {"sequence_length": 6, "batch_tokens": 12, "stop": {"steps": STEPS}, "checkpoint_every": 2}
    fixed |= {"cpu_threads": 1, "schedule": {"warmup_steps": 1, "warmdown_steps": 2}}
    core = {"count": 2, "attention": {"heads": 2, "kv_heads": 1}, "mlp": {"ratio": 2}}
    core["init"] = {"outputs": {"kind": "normal", "std": 0.2}}
    model = {"vocab_size": 16, "dim": 16, "embedding": {"init": {"kind": "normal", "std": 0.5}}}
    plan = plan_of(small(model=model, blocks={"core": core}, train=fixed | train, **SPECS[kind]))
    assert plan.states
    return plan


def trainer_of(plan: Plan, path: Path, batches: CountingBatches, *, resume: bool) -> tuple[Trainer, nn.Module]:
    module = build_module(plan, 0)
    folder = RunFolder(path, resume=resume, event=pytest.fail)
    job = TrainingJob(plan, module, batches, folder, CPU, progress=Progress(every_seconds=1e9))
    with folder:
        return Trainer(job, resume=resume), module


def run(plan: Plan, path: Path, *, resume: bool = False) -> dict[str, Tensor]:
    trainer, module = trainer_of(plan, path, CountingBatches(), resume=resume)
    assert trainer.run().outcome == "finished"
    return {name: value.clone() for name, value in module.state_dict().items()}


def kill(plan: Plan, path: Path, after: int) -> None:
    trainer, _ = trainer_of(plan, path, Mortal(after), resume=False)
    with pytest.raises(KilledError):
        trainer.run()


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def losses(path: Path) -> list[Any]:
    return [record["loss"] for record in read_records(path / "metrics.jsonl")]


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("killed_after", [3, 5, 6])
def test_killed_and_resumed_is_bit_identical(tmp_path: Path, kind: str, killed_after: int) -> None:
    plan = plan_with(kind)
    straight = run(plan, tmp_path / "straight")
    kill(plan, tmp_path / "killed", killed_after)
    resumed = run(plan, tmp_path / "killed", resume=True)
    assert same(straight, resumed)
    assert losses(tmp_path / "straight") == losses(tmp_path / "killed")
    (state, *_) = [state.name for state in plan.states]
    assert torch.count_nonzero(resumed[state])


@pytest.mark.parametrize("kind", SPECS)
def test_without_its_states_the_same_run_goes_another_way(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_with(kind)
    straight = run(plan, tmp_path / "straight")
    kill(plan, tmp_path / "killed", 5)
    monkeypatch.setattr(loop, "load_states", lambda module, states: None)
    assert not same(straight, run(plan, tmp_path / "killed", resume=True))


def test_a_trace_without_record_is_forgotten_and_one_of_any_shape_comes_back() -> None:
    plan = plan_with("skip_trace")
    module, tokens = build_module(plan, 0), torch.zeros((1, 4), dtype=torch.int64)
    assert states_of(module) == {}
    module(tokens, tokens)
    recorded = states_of(module)
    assert {name: tuple(value.shape) for name, value in recorded.items()} == {
        "stages.bank.trace.delta": (1, 4, 16),
        "stages.bank.trace.age": (),
    }
    other = build_module(plan, 0)
    load_states(other, recorded)
    assert same(states_of(other), recorded)
    assert torch.equal(module(tokens, tokens, mode="resting"), other(tokens, tokens, mode="resting"))
    load_states(module, {})
    assert states_of(module) == {}


def test_a_checkpoint_with_other_states_is_refused(tmp_path: Path) -> None:
    plan = plan_with("ema_gate")
    run(plan, tmp_path)
    checkpoints = CheckpointFolder(tmp_path / "checkpoints", 1)
    path = checkpoints.latest(pytest.fail)
    assert path is not None
    checkpoint = checkpoints.load(path, spec_hash(plan), CPU)
    assert checkpoint.states.keys() == {"stages.trunk.average"}
    for states in ({}, {"stages.trunk.average": torch.zeros(3)}, checkpoint.states | {"stages.x": torch.zeros(1)}):
        checkpoints.save(replace(checkpoint, states=states))
        with pytest.raises(CheckpointError, match=r"step-000000009.ckpt does not hold the states of .*; resume with"):
            run(plan, tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="belongs to another spec"):
        run(plan_with("skip_trace"), tmp_path, resume=True)


def test_a_state_that_is_not_finite_is_named(tmp_path: Path) -> None:
    trainer, module = trainer_of(plan_with("ema_gate"), tmp_path, CountingBatches(), resume=False)
    module.get_buffer("stages.trunk.average").fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"step 2 \(mode single\).*not finite: state stages\.trunk\.average\."):
        trainer.run()
