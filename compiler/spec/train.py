"""The `train` section: clocks and schedule, averages, rounding, checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .optimizer import Assignment, GroupOptimizer

Precision = Literal["float32", "bfloat16"]
LAST = "last"
"""What `load` says where no average is scored and packed, but the weights after the last step."""


@dataclass(frozen=True, slots=True)
class Stop:
    """When training ends; steps are optimizer steps."""

    steps: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning-rate multiplier over steps: linear up, 1, then linear down to `floor` at the end of the last step.

    The last step itself still runs at floor + (1 - floor) / warmdown_steps.
    """

    warmup_steps: int = 0
    warmdown_steps: int = 0
    floor: float = 0.0


@dataclass(frozen=True, slots=True)
class Start:
    """From which step on something happens: the first one at which everything that is given holds.

    Attributes:
        lr_scale: the learning-rate multiplier is below this, after the warm-up.
        step: optimizer steps taken.
        fraction: of all steps.
    """

    lr_scale: float | None = None
    step: int | None = None
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Average:
    """An average of the stores over training; `kind` says which fields are read (the others are None).

    `ema`: exponential moving average from step `start_step` on; with `debias` the share of the weights that it
    started from is divided out. `swa`: running mean of the weights after every step from `start` on whose number
    (from 1) is a multiple of `every` (stochastic weight averaging, Izmailov et al. 2018).
    """

    kind: Literal["ema", "swa"]
    decay: float | None = None  # ema
    debias: bool | None = None  # ema
    start_step: int | None = None  # ema
    every: int | None = None  # swa
    start: Start | None = None  # swa


@dataclass(frozen=True, slots=True)
class QuantizationAware:
    """From `start` on, training steps run on weights rounded as the artifact will round them."""

    start: Start


@dataclass(frozen=True, slots=True)
class Train:
    """The `train` section."""

    seed: int
    sequence_length: int
    batch_tokens: int
    accumulation: int
    stop: Stop
    schedule: Schedule
    optimizer: dict[str, GroupOptimizer]  # by group: matrices, embeddings, scalars, head
    inactive: Literal["skip", "decay"] = "skip"
    label_smoothing: float = 0.0
    grad_clip: float | None = None
    assign: tuple[Assignment, ...] = (Assignment("declared"),)
    averages: dict[str, Average] = field(default_factory=dict)
    load: str = LAST  # a key of `averages`, or LAST
    quantization_aware: QuantizationAware | None = None
    precision: Precision = "float32"
    cpu_threads: int | None = None
    validate_every: int = 0
    log_every: int = 10
    checkpoint_every: int = 0
    keep_checkpoints: int = 2

    @property
    def loaded(self) -> Average | None:
        """The average that is scored and packed; None: the last weights are."""
        return self.averages.get(self.load)

    @property
    def micro_batch_sequences(self) -> int:
        """Sequences of one forward pass."""
        return self.batch_tokens // (self.sequence_length * self.accumulation)
