"""The `train`, `evaluate` and `data` sections: optimizers by group, clock, averaging, and where text comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .quantization import Match

Precision = Literal["float32", "bfloat16"]
Destination = Literal["matrices", "embeddings", "scalars", "head", "frozen", "declared"]
LAST = "last"
"""What `load` says where no average is scored and packed, but the weights after the last step."""


@dataclass(frozen=True, slots=True)
class MomentumWarmup:
    """Muon's momentum rises linearly from `start` to the optimizer's `momentum` over `steps` steps."""

    start: float
    steps: int


@dataclass(frozen=True, slots=True)
class GroupOptimizer:
    """The optimizer of one group of stores; `kind` says which fields are read (the others are None)."""

    kind: Literal["muon", "adamw"]
    lr: float
    weight_decay: float
    momentum: float | None = None  # muon
    momentum_warmup: MomentumWarmup | None = None  # muon
    nesterov: bool | None = None  # muon
    newton_schulz_steps: int | None = None  # muon
    betas: tuple[float, float] | None = None  # adamw
    eps: float | None = None  # adamw


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
class Assignment:
    """Stores that `match` are trained by group `to`; `frozen` keeps them as they start, `declared` asks each store."""

    to: Destination
    match: Match = field(default_factory=Match)


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


@dataclass(frozen=True, slots=True)
class Evaluate:
    """The `evaluate` section: the sliding window of the score, in tokens."""

    sequence_length: int
    stride: int
    batch_windows: int = 16


@dataclass(frozen=True, slots=True)
class Source:
    """Where text comes from: the running interpreter's standard library, or shards in the challenge's format."""

    kind: Literal["python_standard_library", "shards"]
    validation_bytes: int | None = None  # python_standard_library
    train: str | None = None  # shards: glob
    validation: str | None = None  # shards: glob


@dataclass(frozen=True, slots=True)
class TokenizerSource:
    """A SentencePiece model: trained on the train split, or read from a file."""

    kind: Literal["train", "file"]
    embed: bool
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """The `data` section; `order` is that of the training sequences."""

    source: Source = field(default_factory=lambda: Source("python_standard_library", 100_000))
    tokenizer: TokenizerSource = field(default_factory=lambda: TokenizerSource("train", True))
    order: Literal["contiguous", "shuffled"] = "contiguous"
