"""The training loop: steps, records, validation, checkpoints, and an exact way back from each checkpoint."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ...compiler.plan import UNASSIGNED, Plan
from ...compiler.source.wording import few
from ...compiler.spec.averaging import quantization_aware_steps
from .average import loaded_average
from .batch_source import BatchSource
from .cadence import PhaseFollower
from .checkpoint import Checkpoint, CheckpointFolder, spec_hash
from .clock import TrainingClock
from .determinism import configure, random_state, restore_random_state, seed_everything
from .errors import CheckpointError, TrainingError
from .interrupt import StopRequest, stop_on_signals
from .metrics import MetricsLog
from .progress import Progress, Status
from .run_folder import RunFolder
from .states import load_states, states_of
from .step import Stepper, StepResult

PACE_WINDOW = 20  # readings over which the shown tokens per second are taken

Outcome = Literal["finished", "interrupted"]
Validate = Callable[[nn.Module, int], Mapping[str, float]]
"""Called with the module and the steps completed; its figures go into the metrics log."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How training ended: steps completed, seconds of the training clock, loss of the last step, steps by mode.

    `quantization_aware_steps` ran on rounded weights; None where the spec does not ask for that.
    """

    step: int
    seconds: float
    outcome: Outcome
    train_loss: float | None
    mode_counts: dict[str, int]
    quantization_aware_steps: int | None = None


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What a run needs.

    Attributes:
        module: the emitted module on `device`, with its initial weights; its parameters are named as the stores.
        batches: micro-batches of `train.micro_batch_sequences` sequences.
        validate: called after every `train.validate_every` steps.
    """

    plan: Plan
    module: nn.Module
    batches: BatchSource
    folder: RunFolder
    device: torch.device
    validate: Validate | None = None
    progress: Progress = field(default_factory=Progress)


@dataclass(slots=True)
class _Pending:
    """A step whose figures are not yet read back from the device."""

    step: int
    result: StepResult
    tokens: int
    seconds: float


class Trainer:
    """Trains one job from its start, or with `resume` from its latest checkpoint.

    Raises:
        TrainingError, CheckpointError, MetricsError, ValueError: see their classes; each message names the mend.
    """

    def __init__(self, job: TrainingJob, *, resume: bool = False) -> None:
        self._job = job
        self._train = job.plan.spec.train
        configure(job.device, self._train.cpu_threads)
        seed_everything(self._train.seed)
        self._spec_hash = spec_hash(job.plan)
        self._stepper = Stepper(job.plan, job.module, job.batches, job.device)
        self._average = loaded_average(self._train, self._stepper.optimizers.trainable)
        self._checkpoints = CheckpointFolder(job.folder.checkpoints, self._train.keep_checkpoints)
        self._clock = TrainingClock()
        self._phases = PhaseFollower(job.plan.spec)
        self._step = 0
        self._tokens = 0
        self._train_loss: float | None = None
        self._mode_counts: Counter[str] = Counter()
        self._rounded_steps = 0
        self._saved: Path | None = None
        self._pending: list[_Pending] = []
        self._pace: deque[tuple[int, float]] = deque([(0, 0.0)], PACE_WINDOW)  # (tokens, seconds)
        self._tell_what_is_left_out()
        job.module.train()  # losses and states of training depend on it
        if resume:
            self._resume()
        self._log = MetricsLog(job.folder.metrics, self._step)

    def run(self) -> RunResult:
        """Train to the end, or until a signal asks to stop; both leave a checkpoint of the last step."""
        try:
            with stop_on_signals() as stop:
                return self._run(stop)
        except TrainingError as error:
            kept = f"last good checkpoint: {self._saved}" if self._saved else "no checkpoint was saved before it"
            raise TrainingError(f"{error}; {kept}") from error
        finally:
            self._log.close()
            self._job.progress.close()

    def weights(self) -> dict[str, Tensor]:
        """What the run produced, by store name, in the stores' dtypes: the average if one is loaded, else the weights.

        An average that has taken in nothing yet (of a run stopped early) is not there to be had: see `has_average`.
        Averages are of stores; states are never averaged, and stay in the module as the last step left them.
        """
        parameters = self._stepper.optimizers.parameters
        source: Mapping[str, Tensor] = {} if self._average is None else self._average.weights()
        return {name: source.get(name, own).detach().to(own.dtype) for name, own in parameters.items()}

    @property
    def has_average(self) -> bool:
        """Whether an average is loaded and holds weights."""
        return self._average is not None and self._average.updates > 0

    def _run(self, stop: StopRequest) -> RunResult:
        self._clock.start()
        while self._step < self._train.stop.steps and not stop.requested:
            self._advance()
        self._read_back()
        self._clock.stop()
        if self._saved != self._checkpoint_path():
            self._save()
        finished = self._step >= self._train.stop.steps
        if not finished:
            assert stop.signal is not None
            self._job.progress.note(f"{stop.signal.name}: stopped after step {self._step}, resume from {self._saved}")
        outcome: Outcome = "finished" if finished else "interrupted"
        counts, rounded = dict(self._mode_counts), self._counted_rounded_steps(finished=finished)
        return RunResult(self._step, self._clock.seconds(), outcome, self._train_loss, counts, rounded)

    def _counted_rounded_steps(self, *, finished: bool) -> int | None:
        """Raise if a finished run has none of the quantization-aware steps that its spec promises."""
        if self._train.quantization_aware is None:
            return None
        planned = quantization_aware_steps(self._train)
        if finished and planned and not self._rounded_steps:
            raise TrainingError(
                f"train.quantization_aware: none of {planned} steps ran on rounded weights; the modes of those steps "
                "read no store with an integer scheme. Change quantization.rules, or set quantization_aware: null"
            )
        self._job.progress.note(f"quantization-aware steps: {self._rounded_steps}")
        return self._rounded_steps

    def _tell_what_is_left_out(self) -> None:
        """Faults that the spec expects, and what this run makes of them."""
        for name in self._train.averages:
            if name != self._train.load:
                self._job.progress.note(f"train.averages.{name}: nothing loads it, so this run does not keep it")
        untrained = [store.name for store in self._job.plan.stores if store.group == UNASSIGNED]
        if untrained:
            self._job.progress.note(f"train.assign: no optimizer trains {few(untrained)}")
        if self._train.quantization_aware is not None and quantization_aware_steps(self._train) == 0:
            self._job.progress.note("train.quantization_aware: its start is not reached, no step uses rounded weights")

    def _advance(self) -> None:
        """One step and what is due after it."""
        result = self._stepper.run(self._step, self._phases.mode_of(self._step, self._clock.seconds()))
        self._step += 1
        self._tokens += result.tokens
        self._mode_counts[result.mode] += 1
        self._rounded_steps += result.quantization_aware
        if self._average is not None:
            self._average.update(self._stepper.optimizers.parameters, self._step)
        self._pending.append(_Pending(self._step, result, self._tokens, self._clock.seconds()))
        # Reading the figures waits for the device: free where each step was checked already.
        if self._stepper.checks_each_step or self._due(self._train.log_every):
            self._read_back()
        if self._due(self._train.validate_every):
            self._validate()
        if self._due(self._train.checkpoint_every):
            self._save()

    def _due(self, every: int) -> bool:
        return every > 0 and self._step % every == 0

    def _read_back(self) -> None:
        """Fetch the figures of the steps since the last time, in one wait for the device, check and record them."""
        if not self._pending:
            return
        figures = torch.stack([torch.stack([p.result.loss, p.result.grad_norm.float()]) for p in self._pending])
        for pending, (loss, grad_norm) in zip(self._pending, figures.tolist(), strict=True):
            self._stepper.require_finite(pending.step - 1, pending.result.mode, loss, grad_norm)
            self._record(pending, loss, grad_norm)
        self._log.flush()
        self._show(self._pending[-1])
        self._pending.clear()

    def _record(self, pending: _Pending, loss: float, grad_norm: float) -> None:
        self._train_loss = loss
        values = {
            "mode": pending.result.mode,
            "quantization_aware": pending.result.quantization_aware,
            "loss": loss,
            "lr_scale": pending.result.lr_scale,
            "grad_norm": grad_norm,
            "tokens": pending.tokens,
            "seconds": round(pending.seconds, 6),
        }
        self._log.append("train", pending.step, values)

    def _show(self, last: _Pending) -> None:
        tokens, seconds = self._pace[0]
        rate = (last.tokens - tokens) / max(last.seconds - seconds, 1e-9)
        self._pace.append((last.tokens, last.seconds))
        assert self._train_loss is not None
        total, result = self._train.stop.steps, last.result
        status = Status(last.step, total, self._train_loss, rate, result.lr_scale, result.mode, last.seconds)
        self._job.progress.update(status)

    def _validate(self) -> None:
        if self._job.validate is None:
            return
        self._read_back()
        with self._clock.paused(), torch.no_grad():
            self._job.module.eval()
            figures = dict(self._job.validate(self._job.module, self._step))
            self._job.module.train()
            self._log.append("validation", self._step, figures)
            self._log.flush()
        shown = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        self._job.progress.note(f"step {self._step}: {shown}")

    def _save(self) -> None:
        """A checkpoint of now; the figures are read first, so that no checkpoint holds weights that are not finite."""
        self._read_back()
        with self._clock.paused():
            self._saved = self._checkpoints.save(self._snapshot())

    def _snapshot(self) -> Checkpoint:
        parameters = self._stepper.optimizers.parameters
        return Checkpoint(
            step=self._step,
            spec_hash=self._spec_hash,
            model={name: parameter.detach() for name, parameter in parameters.items()},
            states=states_of(self._job.module),
            optimizers=self._stepper.optimizers.state_dict(),
            average=None if self._average is None else self._average.state_dict(),
            random=random_state(),
            batches=self._job.batches.state(),
            phase=self._phases.phase,
            seconds=self._clock.seconds(),
            tokens=self._tokens,
            mode_counts=dict(self._mode_counts),
            quantization_aware_steps=self._rounded_steps,
            train_loss=self._train_loss,
        )

    def _resume(self) -> None:
        path = self._checkpoints.latest(self._job.progress.note)
        if path is None:
            self._job.progress.note(f"{self._job.folder.checkpoints}: no checkpoint yet, starting at step 0")
            return
        checkpoint = self._checkpoints.load(path, self._spec_hash, self._job.device)
        try:
            load_states(self._job.module, checkpoint.states)
        except ValueError as error:
            raise CheckpointError(
                f"{path} does not hold the states of this spec's module ({error}); resume with the version that wrote "
                "it, or start a new run folder"
            ) from error
        self._restore(checkpoint)
        self._saved = path
        self._job.progress.note(f"resuming after step {checkpoint.step} from {path}")

    @torch.no_grad()
    def _restore(self, checkpoint: Checkpoint) -> None:
        for name, parameter in self._stepper.optimizers.parameters.items():
            parameter.copy_(checkpoint.model[name])
        self._stepper.optimizers.load_state_dict(checkpoint.optimizers)
        if self._average is not None:
            assert checkpoint.average is not None
            self._average.load_state_dict(checkpoint.average)
        self._job.batches.restore(checkpoint.batches)
        restore_random_state(checkpoint.random)
        self._step, self._tokens = checkpoint.step, checkpoint.tokens
        self._train_loss, self._mode_counts = checkpoint.train_loss, Counter(checkpoint.mode_counts)
        self._rounded_steps = checkpoint.quantization_aware_steps
        self._phases = PhaseFollower(self._job.plan.spec, checkpoint.phase)
        self._clock = TrainingClock(checkpoint.seconds)
        self._pace = deque([(checkpoint.tokens, checkpoint.seconds)], PACE_WINDOW)

    def _checkpoint_path(self) -> Path:
        return self._checkpoints.path_of(self._step)
