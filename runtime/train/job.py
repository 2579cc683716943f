"""What a run needs, and what it ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from ...compiler.plan import Plan
from ...compiler.spec.clock import ClockKind
from .batch_source import BatchSource
from .progress import Progress
from .run_folder import RunFolder
from .world import World

Outcome = Literal["finished", "interrupted"]
Validate = Callable[[nn.Module, int], Mapping[str, float]]
"""Called with the module and the steps completed; its figures go into the metrics log."""
Forward = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What a run needs.

    Attributes:
        module: the emitted module on `device`, with its initial weights; its parameters are named as the stores.
        forward: what computes its loss, the module itself or its compiled modes.
        validate: called after every `train.validate_every` steps, on rank 0.
        seconds_of: the training clock when a step, counted from 0, began in a recorded run that this one repeats.
    """

    plan: Plan
    module: nn.Module
    batches: BatchSource
    folder: RunFolder
    device: torch.device
    validate: Validate | None = None
    progress: Progress = field(default_factory=Progress)
    forward: Forward | None = None
    world: World = field(default_factory=World)
    seconds_of: Callable[[int], float] | None = None
    tensorboard: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """How training ended.

    Attributes:
        step: steps completed, those of `train.finish` included.
        seconds: of the training clock.
        elsewhere: seconds spent on validation, saving and compiling, by name.
        ended_by: the clock that ended training; None where it was interrupted before.
        stages: steps by stage.
        mode_counts: steps by mode.
        quantization_aware_steps: on rounded weights; None where the spec does not ask for any.
        average_updates: how often the loaded average took in weights; None without one.
        shrunk_stores: how often a store's nuclear norm was lowered.
        resumed_step: where this process took the run up; equal to `step` where nothing was left to do.
        peak_memory_bytes: tensors on the GPU, or the whole process on a CPU.
    """

    step: int
    seconds: float
    outcome: Outcome
    train_loss: float | None
    mode_counts: dict[str, int]
    quantization_aware_steps: int | None = None
    stages: dict[str, int] = field(default_factory=dict)
    average_updates: int | None = None
    shrunk_stores: int = 0
    tokens: int = 0
    flops: int = 0
    ended_by: ClockKind | None = None
    elsewhere: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    processes: int = 1
    resumed_step: int = 0
