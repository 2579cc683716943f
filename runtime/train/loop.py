"""The training loop: steps, records, validation, checkpoints, and an exact way back from each checkpoint."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ...compiler.spec.clock import ClockKind
from .average import loaded_average
from .checkpoint import Checkpoint, CheckpointFolder, spec_hash, written_spec_hash
from .clock import TrainingClock
from .counts import Counts
from .determinism import configure, random_state, restore_random_state, seed_everything
from .errors import CheckpointError, TrainingError
from .interrupt import StopRequest, stop_on_signals
from .itinerary import Itinerary
from .job import Outcome, RunResult, TrainingJob
from .main_stage import SNAPSHOTS
from .memory import out_of_memory, peak_bytes
from .order import StepOrder
from .promises import require_kept, tell_what_is_left_out
from .recorder import Recorder, Taken
from .states import load_states, states_of
from .step import Stepper
from .warm_up import warm_up


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
        self._spec_hash = written_spec_hash(job.folder.spec, job.plan)
        self._stepper = Stepper(job.plan, job.module, job.batches, job.device, job.world)
        self._average = loaded_average(job.plan, self._stepper.optimizers.trainable)
        self._itinerary = Itinerary(job.plan, job.module, self._own_loss, job.batches, self._averaged)
        self._checkpoints = CheckpointFolder(job.folder.checkpoints, self._train.keep_checkpoints)
        self._clock = TrainingClock()
        self._counts = Counts()
        self._step = 0
        self._saved: Path | None = None
        self._saved_over = False
        self._train_loss: float | None = None
        if job.world.leads:
            tell_what_is_left_out(job.plan, job.progress.note)
        job.module.train()  # losses and states of training depend on it
        if resume:
            self._resume()
        self._began = self._step
        self._recorder = Recorder(job, self._step, self._counts.tokens, self._clock.seconds())
        self._recorder.train_loss = self._train_loss

    def run(self) -> RunResult:
        """Train to the end, or until a signal asks to stop; both leave a checkpoint of the last step."""
        try:
            with stop_on_signals() as stop:
                result = self._run(stop)
                self._recorder.end(self._step, result.outcome)
                return result
        except TrainingError as error:
            self._recorder.end(self._step, "failed")
            raise type(error)(f"{error}; {self._kept()}") from error
        except RuntimeError as error:
            failure = out_of_memory(error, self._job.device)
            self._recorder.end(self._step, "failed")
            if failure is None:
                raise
            raise TrainingError(f"{failure}; {self._kept()}") from error
        finally:
            self._recorder.close()
            self._job.progress.close()

    def save_start(self) -> None:
        """A checkpoint of now, before any step: for a start that the spec alone does not give."""
        self._save(final=True)

    def weights(self) -> dict[str, Tensor]:
        """What the run produced, by store name, in the stores' dtypes: the average if one is loaded, else the weights.

        An average that has taken in nothing yet (of a run stopped early) is not there to be had: see `has_average`.
        Averages are of stores; states are never averaged, and stay in the module as the last step left them.
        """
        parameters = self._stepper.optimizers.parameters
        source = {} if self._average is None else self._averaged()
        return {name: source.get(name, own).detach().to(own.dtype) for name, own in parameters.items()}

    @property
    def has_average(self) -> bool:
        """Whether an average is loaded and holds weights."""
        return self._average is not None and self._average.updates > 0

    def _averaged(self) -> dict[str, Tensor]:
        assert self._average is not None
        if not self.has_average:
            load = self._train.load
            raise TrainingError(f"train.averages.{load}: it holds no weights yet; begin it earlier, or train longer")
        return self._average.weights()

    def _own_loss(self, inputs: Tensor, targets: Tensor, mode: str) -> Tensor:
        forward = self._job.forward or self._job.module
        loss: Tensor = forward(inputs, targets, mode=mode)
        return loss

    def _kept(self) -> str:
        return f"last good checkpoint: {self._saved}" if self._saved else "no checkpoint was saved before it"

    def _run(self, stop: StopRequest) -> RunResult:
        if self._train.warm_up_steps and self._itinerary.in_training:
            with self._clock.paused("compiling"):
                warm_up(self._job, self._stepper, self._own_loss, self._snapshot, self._restore)
        self._clock.start()
        while True:
            seconds, stopping = self._job.world.agree(self._clock.seconds(), stop=stop.requested)
            if stopping:
                break
            if self._job.seconds_of is not None:
                seconds = self._job.seconds_of(self._step)
            training = self._itinerary.in_training
            order = self._itinerary.order(self._step, seconds)
            if order is None:
                break
            if training and not self._itinerary.in_training:
                self._save(final=False)  # what follows may fail, and training was long
            if math.isinf(order.seconds):  # a repeated clock tells nothing of what followed there
                order = replace(order, seconds=self._clock.seconds())
            self._advance(order)
        self._read()
        self._clock.stop()
        # Only rank 0 knows whether the last checkpoint was written; saving is for all ranks together.
        # One of the last step that was due before the end was seen would be of a run that has not come to its end.
        over = self._saved_over == self._itinerary.over
        unsaved = self._job.world.leads and not (over and self._saved == self._checkpoint_path())
        if self._job.world.agree(0.0, stop=unsaved)[1]:
            self._save(final=True)
        return self._result(stop, finished=self._itinerary.over)

    def _result(self, stop: StopRequest, *, finished: bool) -> RunResult:
        if finished:
            require_kept(self._job.plan, self._counts, self._itinerary, self._average, self._job.progress.note)
        else:
            name = "a signal" if stop.signal is None else stop.signal.name
            self._job.progress.note(f"{name}: stopped after step {self._step}, resume from {self._saved}")
        outcome: Outcome = "finished" if finished else "interrupted"
        ended_by: ClockKind | None = self._itinerary.main.ended_by
        counts = self._counts
        return RunResult(
            step=self._step,
            seconds=self._clock.seconds(),
            outcome=outcome,
            train_loss=self._recorder.train_loss,
            mode_counts=dict(counts.modes),
            quantization_aware_steps=None if self._train.quantization_aware is None else counts.quantization_aware,
            stages=dict(counts.stages),
            average_updates=None if self._average is None else self._average.updates,
            shrunk_stores=counts.shrunk,
            tokens=counts.tokens,
            flops=counts.flops,
            ended_by=ended_by,
            elsewhere=dict(self._clock.elsewhere),
            peak_memory_bytes=peak_bytes(self._job.device),
            processes=self._job.world.size,
            resumed_step=self._began,
        )

    def _advance(self, order: StepOrder) -> None:
        """One step and what is due after it."""
        place = self._itinerary.place()
        loss, own = self._itinerary.loss()
        result = self._stepper.run(self._step, order, loss, whole_loss=own)
        self._itinerary.done(order, place, self._step)
        self._step += 1
        self._counts.add(self._job.plan, order, rounded=result.rounded, shrunk=result.shrunk)
        if self._average is not None:
            since = self._itinerary.main.since.get(SNAPSHOTS)
            self._average.update(self._stepper.optimizers.parameters, self._step, since)
        seconds = self._clock.seconds()
        self._recorder.add(Taken(self._step, order, result, self._counts.tokens, self._counts.flops, seconds))
        # Reading the figures waits for the device: free where each step was checked already.
        if self._stepper.checks_each_step or self._due(self._train.log_every):
            self._read()
        if self._due(self._train.validate_every):
            self._validate()
        if self._due(self._train.checkpoint_every):
            self._save(final=False)

    def _due(self, every: int) -> bool:
        return every > 0 and self._step % every == 0

    def _read(self) -> None:
        self._recorder.read(self._stepper.require_finite, self._itinerary.steps_ahead())

    def _validate(self) -> None:
        if self._job.validate is None:
            return
        self._read()
        with self._clock.paused("validation"):
            if self._job.world.leads:
                self._validate_here()
            self._job.world.wait()

    @torch.no_grad()
    def _validate_here(self) -> None:
        assert self._job.validate is not None
        self._job.module.eval()
        figures = dict(self._job.validate(self._job.module, self._step))
        self._job.module.train()
        sums = {"tokens": self._counts.tokens, "flops": self._counts.flops, "seconds": self._clock.seconds()}
        self._recorder.validation(self._step, figures, sums)
        shown = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        self._job.progress.note(f"step {self._step}: {shown}")

    def _save(self, *, final: bool) -> None:
        """A checkpoint of now; the figures are read first, so that no checkpoint holds weights that are not finite.

        Where one on the way cannot be written (a full disk), the one before it stays, and the run goes on.

        Raises:
            CheckpointError: the last one cannot be written.
        """
        self._read()
        with self._clock.paused("saving"):
            self._job.world.require_same(self._stepper.optimizers.parameters.values(), "weights")
            if self._job.world.leads:
                try:
                    self._saved = self._checkpoints.save(self._snapshot())
                    self._saved_over = self._itinerary.over
                except OSError as error:
                    message = f"checkpoint after step {self._step} cannot be written ({error.strerror})"
                    if final:
                        raise CheckpointError(f"{message}; make room and resume; {self._kept()}") from error
                    self._job.progress.note(f"{message}; going on; {self._kept()}")
            self._job.world.wait()

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
            itinerary=self._itinerary.state(),
            clock={"seconds": self._clock.seconds(), "elsewhere": dict(self._clock.elsewhere)},
            counts=self._counts.plain(),
            train_loss=self._recorder.train_loss,
        )

    def _resume(self) -> None:
        path = self._checkpoints.latest(self._job.progress.note)
        if path is None:
            self._job.progress.note(f"{self._job.folder.checkpoints}: no checkpoint yet, starting at step 0")
            return
        expected = spec_hash(self._job.plan)
        checkpoint = self._checkpoints.load(path, expected, self._job.device, written=self._spec_hash)
        try:
            load_states(self._job.module, checkpoint.states)
        except ValueError as error:
            raise CheckpointError(
                f"{path} does not hold the states of this spec's module ({error}); resume with the version that wrote "
                "it, or start a new run folder"
            ) from error
        self._restore(checkpoint)
        self._clock = TrainingClock(checkpoint.clock["seconds"], checkpoint.clock["elsewhere"])
        self._saved, self._saved_over = path, self._itinerary.over
        self._job.progress.note(f"resuming after step {checkpoint.step} from {path}")

    @torch.no_grad()
    def _restore(self, checkpoint: Checkpoint) -> None:
        load_states(self._job.module, checkpoint.states)
        for name, parameter in self._stepper.optimizers.parameters.items():
            parameter.copy_(checkpoint.model[name])
        self._stepper.optimizers.load_state_dict(checkpoint.optimizers)
        if self._average is not None:
            assert checkpoint.average is not None
            self._average.load_state_dict(checkpoint.average)
        self._job.batches.restore(checkpoint.batches)
        self._itinerary.restore(checkpoint.itinerary)
        restore_random_state(checkpoint.random)
        self._step, self._train_loss = checkpoint.step, checkpoint.train_loss
        self._counts = Counts.restored(checkpoint.counts)

    def _checkpoint_path(self) -> Path:
        return self._checkpoints.path_of(self._step)
