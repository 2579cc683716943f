"""What a training step of quickstart spends beside forward and backward."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from timing import Samples, Stopwatch, seconds_of

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.data.batches import ContiguousBatches
from loopspec.runtime.data.shuffled_batches import ShuffledBatches
from loopspec.runtime.data.token_stream import TokenStream
from loopspec.runtime.train.average import loaded_average
from loopspec.runtime.train.cadence import PhaseFollower
from loopspec.runtime.train.checkpoint import Checkpoint, CheckpointFolder, spec_hash
from loopspec.runtime.train.determinism import random_state
from loopspec.runtime.train.step import Stepper

STREAM_TOKENS = 4_000_000
OPTIMIZER_CALLS = ("zero_grad", "check_liveness", "grad_norm", "clip", "step")


class StepShares:
    """Steps of a spec, each with a checkpoint after it, and where their time goes."""

    def __init__(self, spec: Path, folder: Path) -> None:
        self.plan: Plan = load_plan(spec)
        train = self.plan.spec.train
        assert train.checkpoint_every > 0
        tokens = np.random.default_rng(0).integers(1024, size=STREAM_TOKENS, dtype=np.uint16)
        stream = TokenStream([tokens])
        shape = (train.sequence_length, train.micro_batch_sequences)
        self._batches = ContiguousBatches(stream, *shape)
        self._shuffled = ShuffledBatches(stream, *shape, train.seed)
        self._stepper = Stepper(self.plan, build_module(self.plan, train.seed), self._batches, torch.device("cpu"))
        self._phases = PhaseFollower(self.plan.spec)
        average = loaded_average(train, self._stepper.optimizers.trainable)
        assert average is not None
        self._average = average
        self._checkpoints = CheckpointFolder(folder, train.keep_checkpoints)
        self._loading, self._optimizing = Stopwatch(), Stopwatch()
        self._loading.wrap(self._batches, "next")
        for name in OPTIMIZER_CALLS:
            self._optimizing.wrap(self._stepper.optimizers, name)

    def measure(self, repeats: int) -> dict[str, Samples]:
        """Shares of a step, by what takes them; the first step warms up."""
        self._round(0)
        rounds = [self._round(step) for step in range(1, repeats + 1)]
        return {name: [shares[name] for shares in rounds] for name in rounds[0]}

    def _round(self, step: int) -> dict[str, float]:
        seconds = seconds_of(lambda: self._stepper.run(step, self._phases.mode_of(step, 0.0)))
        loading, optimizing = self._loading.take(), self._optimizing.take()
        averaging = seconds_of(lambda: self._average.update(self._stepper.optimizers.parameters, step + 1))
        shuffling = seconds_of(self._shuffled.next) * self.plan.spec.train.accumulation
        saving = seconds_of(lambda: self._checkpoints.save(self._snapshot(step)))
        whole = seconds + averaging
        return {
            "optimizer": optimizing / whole,
            "moving average": averaging / whole,
            "loader, contiguous": loading / whole,
            "loader, shuffled": shuffling / whole,
            "checkpoint": saving / (self.plan.spec.train.checkpoint_every * whole),
        }

    def _snapshot(self, step: int) -> Checkpoint:
        parameters = self._stepper.optimizers.parameters
        return Checkpoint(
            step=step,
            spec_hash=spec_hash(self.plan),
            model={name: parameter.detach() for name, parameter in parameters.items()},
            optimizers=self._stepper.optimizers.state_dict(),
            average=self._average.state_dict(),
            random=random_state(),
            batches=self._batches.state(),
            seconds=0.0,
            tokens=0,
            mode_counts={},
            phase=self._phases.phase,
            quantization_aware_steps=0,
            train_loss=None,
        )
