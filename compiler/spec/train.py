"""The `train` section: clocks and schedule, averages, rounding, what follows training, checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .batches import BatchPhase, BatchShape, BatchSpan, batch_spans, step_at_tokens, tokens_before
from .clock import ClockKind, Moment, Stop
from .optimizer import DECLARED, Assignment, GroupOptimizer
from .penalties import Penalties
from .quantization import Match

Precision = Literal["float32", "bfloat16"]
LAST = "last"
"""What `load` says where no average is scored and packed, but the weights after the last step."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning-rate multiplier over training: linear up, 1, then linear down to `floor`; see `lr_scale`.

    Attributes:
        clock: what the warm-down goes by. One of the three lengths may be above 0: that of the clock, or by `seconds`
            `warmdown_steps`, which are then taken at the mean pace so far.
        hold_steps: the warm-down does not begin in the first so many steps.
    """

    clock: ClockKind = "steps"
    warmup_steps: int = 0
    hold_steps: int = 0
    warmdown_steps: int = 0
    warmdown_tokens: int = 0
    warmdown_seconds: float = 0.0
    floor: float = 0.0


@dataclass(frozen=True, slots=True)
class Start:
    """From which step on something happens: the first one at which everything that is given holds.

    Attributes:
        lr_scale: the learning-rate multiplier is below this, after the warm-up.
        step: optimizer steps taken.
        fraction: of training, by the clock of the schedule.
    """

    lr_scale: float | None = None
    step: int | None = None
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class DecayRule:
    """Another decay for the stores that match; the first rule that takes a store holds."""

    match: Match
    decay: float


@dataclass(frozen=True, slots=True)
class Average:
    """An average of the stores over training; `kind` says which fields are read (the others are None).

    `ema`: exponential moving average from step `start_step` on, by `decay` or by what `decays` says of a store; with
    `debias` the share of the weights that it started from is divided out. `swa`: running mean of the weights after
    every step from `start` on whose number (from 1) is a multiple of `every` (stochastic weight averaging, Izmailov et
    al. 2018).
    """

    kind: Literal["ema", "swa"]
    decay: float | None = None  # ema
    debias: bool | None = None  # ema
    start_step: int | None = None  # ema
    decays: tuple[DecayRule, ...] = ()  # ema
    every: int | None = None  # swa
    start: Start | None = None  # swa


@dataclass(frozen=True, slots=True)
class QuantizationAware:
    """From `start` on, training steps run on weights rounded as the artifact will round them."""

    start: Start


@dataclass(frozen=True, slots=True)
class Finish:
    """What follows training, before averages are loaded; `kind` says which fields are read (the others are None).

    Its steps take the optimizers as training left them (Muon's momentum too), at `lr_scale` times their learning
    rates; averages go on. `replay`: the last `batches` batches of training again, in order, `epochs` times. `distill`:
    `steps` further batches, on which the model follows the average that `train.load` names, as it stands when this
    begins: alpha KL(teacher || student) at `temperature` + (1 - alpha) cross entropy.

    Attributes:
        start: replay: only batches from there on are kept.
        mean_over: distill: what the divergence, a sum over tokens and vocabulary, is divided by: all tokens, or the
            sequences (the published runs, where it weighs as much more as a sequence is long).
    """

    kind: Literal["replay", "distill"]
    lr_scale: float
    batches: int | None = None  # replay
    epochs: int | None = None  # replay
    start: Start | None = None  # replay
    steps: int | None = None  # distill
    temperature: float | None = None  # distill
    alpha: float | None = None  # distill
    mean_over: Literal["tokens", "sequences"] | None = None  # distill

    @property
    def step_count(self) -> int:
        """Optimizer steps, where training kept as many batches as are asked for."""
        return self.steps if self.steps is not None else (self.batches or 0) * (self.epochs or 0)


@dataclass(frozen=True, slots=True)
class Train:
    """The `train` section."""

    seed: int
    sequence_length: int
    batch_tokens: int
    accumulation: int
    stop: Stop
    schedule: Schedule
    optimizer: dict[str, GroupOptimizer]  # by group: matrices, embeddings, scalars, head, and the spec's own
    batch_schedule: tuple[BatchPhase, ...] = ()
    finish: tuple[Finish, ...] = ()
    inactive: Literal["skip", "decay"] = "skip"
    label_smoothing: float = 0.0
    penalties: Penalties = field(default_factory=Penalties)
    grad_clip: float | None = None
    assign: tuple[Assignment, ...] = (Assignment(DECLARED),)
    averages: dict[str, Average] = field(default_factory=dict)
    load: str = LAST  # a key of `averages`, or LAST
    quantization_aware: QuantizationAware | None = None
    precision: Precision = "float32"
    compile: bool = False
    warm_up_steps: int = 0
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
    def shape(self) -> BatchShape:
        """The batch, after all phases of `batch_schedule`."""
        return BatchShape(self.sequence_length, self.batch_tokens, self.accumulation)

    @property
    def spans(self) -> tuple[BatchSpan, ...]:
        """The batches of all steps."""
        return batch_spans(self.batch_schedule, self.shape)

    @property
    def shapes(self) -> tuple[BatchShape, ...]:
        """Every shape that a batch of training may have, each once."""
        return tuple(dict.fromkeys(span.shape for span in self.spans))

    @property
    def longest_sequence(self) -> int:
        """Tokens of the longest training sequence."""
        return max(shape.sequence_length for shape in self.shapes)

    @property
    def known_steps(self) -> int | None:
        """How many steps `stop.steps` and `stop.tokens` allow; None where only the wall clock ends training."""
        limits = [] if self.stop.steps is None else [self.stop.steps]
        if self.stop.tokens is not None:
            limits.append(self.step_at_tokens(self.stop.tokens))
        return min(limits, default=None)

    def step_at_tokens(self, tokens: int) -> int:
        """The first step, counted from 0, before which at least `tokens` were trained on."""
        return step_at_tokens(self.spans, tokens)

    def moment(self, step: int, seconds: float = 0.0) -> Moment:
        """When step `step`, counted from 0, begins."""
        return Moment(step, tokens_before(self.spans, step), seconds)
