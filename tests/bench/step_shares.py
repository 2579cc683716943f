"""What a training step spends beside forward and backward, on random tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from timing import Samples, Stopwatch, seconds_of
from torch import Tensor

from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.data.batches import ContiguousBatches
from loopspec.runtime.data.byte_table import ByteTable
from loopspec.runtime.data.coprime_batches import CoprimeBatches
from loopspec.runtime.data.shuffled_batches import ShuffledBatches
from loopspec.runtime.data.token_stream import TokenStream
from loopspec.runtime.evaluate.score import score
from loopspec.runtime.pipeline.scoring import score_settings
from loopspec.runtime.train.average import loaded_average
from loopspec.runtime.train.checkpoint import Checkpoint, CheckpointFolder, spec_hash
from loopspec.runtime.train.determinism import random_state
from loopspec.runtime.train.main_stage import SNAPSHOTS, MainStage
from loopspec.runtime.train.states import states_of
from loopspec.runtime.train.step import Stepper
from loopspec.runtime.train.world import World

STREAM_TOKENS = 4_000_000
VALIDATION_TOKENS = 16_384
OPTIMIZER_CALLS = ("zero_grad", "check_liveness", "grad_norm", "clip", "step")


class StepShares:
    """Steps of a plan as its cadence orders them, each with a checkpoint after it, and where their time goes."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        train = plan.spec.train
        assert train.checkpoint_every > 0
        self._vocab_size = plan.spec.architecture.model.vocab_size
        drawn = np.random.default_rng(0).integers(self._vocab_size, size=STREAM_TOKENS, dtype=np.uint16)
        stream = TokenStream([drawn], self._vocab_size)
        self._batches = ContiguousBatches(stream)
        self._orders = {
            "shuffled": ShuffledBatches(stream, train.longest_sequence, train.seed),
            "coprime": CoprimeBatches(stream, train.longest_sequence, train.seed),
        }
        self._validation = drawn[: VALIDATION_TOKENS + 1]
        self._module = build_module(plan, train.seed).train()
        self._stepper = Stepper(plan, self._module, self._batches, torch.device("cpu"), World())
        self._stage = MainStage(plan.spec)
        average = loaded_average(plan, self._stepper.optimizers.trainable)
        assert average is not None
        self._average = average
        self._checkpoints = CheckpointFolder(folder, train.keep_checkpoints)
        self._loading, self._optimizing = Stopwatch(), Stopwatch()
        self._loading.wrap(self._batches, "take")
        for name in OPTIMIZER_CALLS:
            self._optimizing.wrap(self._stepper.optimizers, name)

    def measure(self, repeats: int) -> dict[str, Samples]:
        """Shares of a step, by what takes them; the first step warms up."""
        self._round(0)
        rounds = [self._round(step) for step in range(1, repeats + 1)]
        return {name: [shares[name] for shares in rounds] for name in rounds[0]}

    def validation(self, repeats: int) -> Samples:
        """Time a token of a validation over time a token of a step; neither is on the other's clock."""
        step_tokens = self.plan.spec.train.batch_tokens
        samples = []
        for step in range(repeats):
            training = seconds_of(lambda step=step: self._step(step)) / step_tokens  # type: ignore[misc]
            samples.append(seconds_of(self._validate) / VALIDATION_TOKENS / training)
        return samples

    def _round(self, step: int) -> dict[str, float]:
        self._loading.take(), self._optimizing.take()
        seconds = seconds_of(lambda: self._step(step))
        loading, optimizing = self._loading.take(), self._optimizing.take()
        averaging = seconds_of(lambda: self._take_average(step + 1))
        others = {name: seconds_of(lambda name=name: self._load(name)) for name in self._orders}  # type: ignore[misc]
        saving = seconds_of(lambda: self._checkpoints.save(self._snapshot(step)))
        whole = seconds + averaging
        return {
            "optimizer": optimizing / whole,
            "moving average": averaging / whole,
            "loader, contiguous": loading / whole,
            **{f"loader, {name}": taken / whole for name, taken in others.items()},
            "checkpoint": saving / (self.plan.spec.train.checkpoint_every * whole),
        }

    def _step(self, step: int) -> None:
        order = self._stage.order(step, 0.0)
        assert order is not None
        self._stepper.run(step, order, self._loss)

    def _loss(self, inputs: Tensor, targets: Tensor, mode: str) -> Tensor:
        loss: Tensor = self._module(inputs, targets, mode=mode)
        return loss

    def _take_average(self, step: int) -> None:
        self._average.update(self._stepper.optimizers.parameters, step, self._stage.since.get(SNAPSHOTS))

    def _load(self, order: str) -> None:
        """The micro-batches of a step."""
        shape = self.plan.spec.train.shapes[-1]
        for _ in range(shape.accumulation):
            self._orders[order].take(shape.sequences, shape.sequence_length)

    def _validate(self) -> None:
        size = self._vocab_size
        no_space = np.zeros(size, np.bool_)
        table = ByteTable(np.ones(size, np.int16), no_space, no_space, (b"x",) * size)
        settings = score_settings(self.plan, self.plan.spec.evaluate.sequence_length)
        score(self._module, self._validation, table, settings)

    def _snapshot(self, step: int) -> Checkpoint:
        parameters = self._stepper.optimizers.parameters
        return Checkpoint(
            step=step,
            spec_hash=spec_hash(self.plan),
            model={name: parameter.detach() for name, parameter in parameters.items()},
            states=states_of(self._module),
            optimizers=self._stepper.optimizers.state_dict(),
            average=self._average.state_dict(),
            random=random_state(),
            batches=self._batches.state(),
            itinerary={"index": 0, "main_steps": 0, "main": self._stage.state(), "stage": None},
            clock={"seconds": 0.0, "elsewhere": {}},
            counts={},
            train_loss=None,
        )
