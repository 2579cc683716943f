"""Reads the figures of steps back from the device, and passes them on: metrics log, progress, TensorBoard."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import torch

from ...compiler.spec.clock import Moment
from ...compiler.spec.train import Train
from ..atomic_file import write_atomically
from .eta import eta_seconds
from .job import TrainingJob
from .metrics import MetricsLog
from .order import MAIN, StepOrder
from .progress import Status
from .step import StepResult
from .tensorboard import TensorBoardLog

PACE_WINDOW = 20  # readings over which the shown tokens per second are taken


@dataclass(frozen=True, slots=True)
class Taken:
    """A step, and the sums over all steps up to it."""

    step: int
    order: StepOrder
    result: StepResult
    tokens: int
    flops: int
    seconds: float


class Recorder:
    """The figures of the steps since the last reading, and where they go.

    Attributes:
        train_loss: of the last step of training itself that was read; None before the first.
    """

    def __init__(self, job: TrainingJob, resumed_step: int, tokens: int, seconds: float) -> None:
        self._job = job
        self._train: Train = job.plan.spec.train
        self._log = MetricsLog(job.folder.metrics, resumed_step) if job.world.leads else None
        if job.world.leads:
            job.folder.outcome.unlink(missing_ok=True)  # of the process before
        board = job.tensorboard and job.world.leads
        self._board = TensorBoardLog(job.folder.path, resumed_step) if board else None
        self._pending: list[Taken] = []
        self._pace: deque[tuple[int, float]] = deque([(tokens, seconds)], PACE_WINDOW)
        self.train_loss: float | None = None
        self._shown_loss = 0.0

    def add(self, taken: Taken) -> None:
        """Keep a step's figures for the next reading."""
        self._pending.append(taken)

    def read(self, check: Callable[[int, str, float, float], None], steps_ahead: int) -> None:
        """Fetch the figures of the steps since the last time, in one wait for the device, check and record them.

        Raises:
            TrainingError: from `check`, which gets step (from 0), mode, loss and gradient norm.
        """
        if not self._pending:
            return
        figures = torch.stack([torch.stack([t.result.loss, t.result.grad_norm.float()]) for t in self._pending])
        for taken, (loss, grad_norm) in zip(self._pending, figures.tolist(), strict=True):
            check(taken.step - 1, taken.order.mode, loss, grad_norm)
            self._shown_loss = loss
            if taken.order.stage == MAIN:  # a distillation's loss is no loss of the model
                self.train_loss = loss
            self._append("train", taken.step, _train_record(taken, loss, grad_norm))
        self.flush()
        self._show(self._pending[-1], steps_ahead)
        self._pending.clear()

    def validation(self, step: int, figures: Mapping[str, float], taken: Mapping[str, float]) -> None:
        """Record a validation after `step` steps; `taken` are the sums so far."""
        self._append("validation", step, {**figures, **taken})
        self.flush()

    def end(self, step: int, outcome: str) -> None:
        """Write down how the run ended: finished, interrupted or failed. A run that was killed leaves nothing."""
        if self._job.world.leads:
            with suppress(OSError):  # a full disk may be what went wrong, and is told elsewhere
                write_atomically(self._job.folder.outcome, [json.dumps({"outcome": outcome, "step": step}).encode()])

    def flush(self) -> None:
        """Hand what was appended on."""
        if self._log is not None:
            self._log.flush()
        if self._board is not None:
            self._board.flush()

    def close(self) -> None:
        """Close log and board."""
        if self._log is not None:
            self._log.close()
        if self._board is not None:
            self._board.close()

    def _append(self, kind: str, step: int, values: dict[str, object]) -> None:
        if self._log is not None:
            self._log.append(kind, step, values)
        if self._board is not None:
            self._board.append(kind, step, values)

    def _show(self, last: Taken, steps_ahead: int) -> None:
        tokens, seconds = self._pace[0]
        rate = (last.tokens - tokens) / max(last.seconds - seconds, 1e-9)
        self._pace.append((last.tokens, last.seconds))
        main = last.order.stage == MAIN
        eta, clock = self._time_to_go(last, steps_ahead, main=main)
        known = self._train.known_steps
        status = Status(
            step=last.step,
            total=None if known is None or self._train.stop.seconds is not None else known + self._finish_steps(),
            loss=self._shown_loss,
            tokens_per_second=rate,
            lr_scale=last.order.lr_scale,
            mode=last.order.mode if main else f"{last.order.stage} {last.order.mode}",
            eta_seconds=eta,
            clock=clock,
            seconds=last.seconds,
        )
        self._job.progress.update(status)

    def _time_to_go(self, last: Taken, steps_ahead: int, *, main: bool) -> tuple[float | None, str | None]:
        """Seconds to the end of the run at the pace so far, and the clock that ends training."""
        pace = last.seconds / last.step
        if not main:
            return steps_ahead * pace, None
        found = eta_seconds(self._train.stop, Moment(last.step, last.tokens, last.seconds))
        return (None, None) if found is None else (found[0] + steps_ahead * pace, found[1])

    def _finish_steps(self) -> int:
        return sum(part.step_count for part in self._train.finish)


def _train_record(taken: Taken, loss: float, grad_norm: float) -> dict[str, object]:
    return {
        "stage": taken.order.stage,
        "mode": taken.order.mode,
        "quantization_aware": taken.result.rounded,
        "loss": loss,
        "lr_scale": taken.order.lr_scale,
        "grad_norm": grad_norm,
        "tokens": taken.tokens,
        "flops": taken.flops,
        "began_seconds": taken.order.seconds,
        "seconds": taken.seconds,
    }
