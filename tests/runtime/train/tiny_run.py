"""A tiny plan, module and data stream for tests; as a script, one training run that a test can kill.

python tiny_run.py FOLDER STEPS fresh|resume [SECONDS_A_STEP]
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from loopspec.compiler.plan import Cost, Plan, PlannedStore
from loopspec.compiler.spec.architecture import Init
from loopspec.compiler.spec.cadence import Phase, Until
from loopspec.compiler.spec.clock import Stop
from loopspec.compiler.spec.optimizer import GroupOptimizer, MomentumWarmup
from loopspec.compiler.spec.quantization import Clip, Scheme
from loopspec.compiler.spec.train import Average, Schedule, Train
from loopspec.runtime.train.batch_source import EVERY_ROW
from loopspec.runtime.train.job import RunResult, TrainingJob, Validate
from loopspec.runtime.train.loop import Trainer
from loopspec.runtime.train.order import MAIN, StepOrder
from loopspec.runtime.train.progress import Progress
from loopspec.runtime.train.run_folder import RunFolder
from loopspec.runtime.train.step import StepResult

VOCABULARY, DIM, LENGTH, SEQUENCES = 16, 8, 6, 2
CPU = torch.device("cpu")
ADAMW = GroupOptimizer("adamw", 0.01, 0.1, betas=(0.9, 0.95), eps=1e-8)
MUON = GroupOptimizer(
    "muon",
    0.02,
    0.1,
    momentum=0.95,
    momentum_warmup=MomentumWarmup(0.85, 10),
    nesterov=True,
    newton_schulz_steps=5,
)
ALWAYS = ("full", "single", "core_1")  # core_1: of a sampling phase; all but full are the same here
FLOAT16 = Scheme("float16")
SCHEMES = {"matrices": Scheme("integer", 4, Clip("std", 2.5))}
STORES = (  # name, shape, group, modes
    ("tokens", (VOCABULARY, DIM), "embeddings", ALWAYS),
    ("first", (4 * DIM, DIM), "matrices", ALWAYS),
    ("second", (DIM, 4 * DIM), "matrices", ALWAYS),
    ("looped", (DIM, DIM), "matrices", ("full",)),
    ("gain", (DIM,), "scalars", ("full",)),
    ("head", (VOCABULARY, DIM), "head", ALWAYS),
)


ACTIVITIES = dict.fromkeys(("replay", "distill", "calibrate", "evaluate"), "full")
COSTS = {"full": (100, 200), "single": (60, 120), "core_1": (60, 120)}  # made up: forward, backward a token
CADENCE = (Phase(("full", "single"), Until("steps", 8)), Phase(("single", "full", "single")))


def make_train(steps: int = 30, **changes: Any) -> Train:
    train = Train(
        seed=7,
        sequence_length=LENGTH,
        batch_tokens=2 * SEQUENCES * LENGTH,
        accumulation=2,
        stop=Stop(steps=steps),
        schedule=Schedule(warmup_steps=3, warmdown_steps=10, floor=0.1),
        optimizer={"matrices": MUON, "embeddings": ADAMW, "scalars": ADAMW, "head": ADAMW},
        grad_clip=0.5,
        averages={"ema": Average("ema", 0.9, debias=True, start_step=0)},
        load="ema",
        cpu_threads=1,
        checkpoint_every=5,
    )
    return replace(train, **changes)


def make_plan(train: Train, stores: Any = STORES, cadence: tuple[Phase, ...] = CADENCE) -> Plan:
    planned = tuple(
        PlannedStore(name, shape, "float32", Init("zero"), group, SCHEMES.get(group, FLOAT16), modes, 1, modes)
        for name, shape, group, modes in stores
    )
    plain = {"blocks": {}, "train": repr(train), "cadence": repr(cadence)}
    spec = SimpleNamespace(train=train, cadence=cadence, activities=ACTIVITIES, plain=plain)
    costs = {mode: SimpleNamespace(cost=Cost(to, fro, 0)) for mode, (to, fro) in COSTS.items()}
    graph = SimpleNamespace(stores=planned)
    return cast("Plan", SimpleNamespace(stores=planned, spec=spec, modes=costs, graph=graph))


class TinyModule(nn.Module):
    """Two matrices always, a third and a gain in mode `full` only."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        for name, shape, _group, _modes in STORES:
            start = torch.ones(shape) if name == "gain" else torch.randn(shape, generator=generator) * 0.3
            self.register_parameter(name, nn.Parameter(start))

    def forward(self, tokens: Tensor, targets: Tensor | None = None, mode: str = "full") -> Tensor:
        x = nn.functional.embedding(tokens, self.tokens)
        x = x + torch.relu(x @ self.first.T) @ self.second.T
        if mode == "full":
            x = x + (x @ self.looped.T) * self.gain
        logits = x @ self.head.T
        return logits if targets is None else nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


class CountingBatches:
    """Micro-batch number n is a function of n and its shape alone."""

    def __init__(self) -> None:
        self.position = 0

    def take(self, sequences: int, length: int, rows: slice = EVERY_ROW) -> tuple[np.ndarray, np.ndarray]:
        tokens = np.random.default_rng(self.position).integers(0, VOCABULARY, (sequences, length + 1))[rows]
        self.position += 1
        return tokens[:, :-1], tokens[:, 1:]

    def state(self) -> dict[str, Any]:
        return {"position": self.position}

    def restore(self, state: dict[str, Any]) -> None:
        self.position = state["position"]


class Slow(CountingBatches):
    """Waits before each batch, so that a signal finds the run in its midst."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def take(self, sequences: int, length: int, rows: slice = EVERY_ROW) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(self.seconds)
        return super().take(sequences, length, rows)


def make_trainer(
    path: Path,
    train: Train,
    *,
    resume: bool = False,
    module: nn.Module | None = None,
    batches: CountingBatches | None = None,
    validate: Validate | None = None,
    cadence: tuple[Phase, ...] = CADENCE,
    stores: Any = STORES,
    **job: Any,
) -> tuple[Trainer, nn.Module, RunFolder]:
    """`job`: further fields of the TrainingJob."""
    folder = RunFolder(path, resume=resume, event=print)
    module = TinyModule() if module is None else module
    batches = CountingBatches() if batches is None else batches
    plan = make_plan(train, stores, cadence)
    whole = {"validate": validate, "progress": Progress(every_seconds=1e9)} | job
    return Trainer(TrainingJob(plan, module, batches, folder, CPU, **whole), resume=resume), module, folder


def take_step(
    trainer: Trainer, mode: str = "full", *, step: int = 0, scale: float = 1.0, rounded: bool = False
) -> StepResult:
    """One optimizer step by itself, in any mode."""
    order = StepOrder(MAIN, mode, trainer._train.shape, scale, 0.0, step, rounded)
    return trainer._stepper.run(step, order, trainer._own_loss)


def advance(trainer: Trainer, steps: int) -> None:
    """So many steps of the run, without its end."""
    for _ in range(steps):
        order = trainer._itinerary.order(trainer._step, trainer._clock.seconds())
        assert order is not None
        trainer._advance(order)


def run(path: Path, train: Train, **options: Any) -> tuple[RunResult, dict[str, Tensor], dict[str, Tensor]]:
    """Result, last weights and averaged weights."""
    trainer, module, folder = make_trainer(path, train, **options)
    with folder:
        result = trainer.run()
        return result, {name: weight.detach().clone() for name, weight in module.named_parameters()}, trainer.weights()


def main() -> None:
    path, steps, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    batches = Slow(float(sys.argv[4])) if len(sys.argv) > 4 else None
    result, _last, _average = run(path, make_train(steps), resume=how == "resume", batches=batches)
    print(result.outcome, result.step)


if __name__ == "__main__":
    main()
