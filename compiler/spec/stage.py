"""The `graph` and `modes` sections: where blocks run, how passes combine, what is special at which position."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .init import Dtype, Init


@dataclass(frozen=True, slots=True)
class Vector:
    """A learned vector: how it starts, and the dtype it is kept in."""

    init: Init
    dtype: Dtype


@dataclass(frozen=True, slots=True)
class Where:
    """Positions of a stage's path and loops of the stage; None means all."""

    positions: tuple[int, ...] | None = None
    loops: tuple[int, ...] | None = None

    def holds(self, step: int | None, loop: int) -> bool:
        """Whether an execution at that position of the path, in that loop, is meant."""
        at_step = step is not None and (self.positions is None or step in self.positions)
        return at_step and (self.loops is None or loop in self.loops)


@dataclass(frozen=True, slots=True)
class Skips:
    """U-Net skips: outputs of the first half are added, last first, to the inputs of the second half.

    `gated`: a learned sigmoid gate per channel mixes stream and scaled skip instead (parameter-golf PR 1204).
    """

    kind: Literal["unet"]
    scope: Literal["pass", "path"]
    init: float
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Combine:
    """How parallel firings become one stream; `kind` is a key of FIRING_RULES and says which fields are read."""

    kind: str
    scale: float = 0.0  # gates: initial weight of the gated result
    gate_init: Init = field(default_factory=lambda: Init("orthogonal", gain=1.0))  # gates
    decay: float = 0.99  # ema_gate
    update_in_evaluation: bool = False  # ema_gate
    dtype: Dtype = "float32"  # of the reference, or of the average


@dataclass(frozen=True, slots=True)
class Firing:
    """How the loops of a stage follow each other: each on the last one's output, or all on the same stream."""

    kind: Literal["sequential", "parallel"] = "sequential"
    combine: Combine | None = None  # parallel


@dataclass(frozen=True, slots=True)
class PlacedVector:
    """A vector for each listed position, added to the input of the block that runs there."""

    vector: Vector
    at: Where


@dataclass(frozen=True, slots=True)
class Private:
    """Executions that have their own copy of a part of their block; with `keep_shared` the shared part stays stored."""

    at: Where
    keep_shared: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """Low-rank additions to matrices, one for each listed execution (LoRA, arXiv 2106.09685)."""

    rank: int
    matrices: tuple[str, ...]  # "attention.query", "mlp.up", ...
    at: Where


@dataclass(frozen=True, slots=True)
class ValueResidual:
    """Values of the stage's first position, times a learned number, are added to the values of later positions."""

    init: float
    at: Where


@dataclass(frozen=True, slots=True)
class Lanes:
    """From position `start` of the path attention and MLP have streams of their own; the mean of both leaves."""

    start: int


@dataclass(frozen=True, slots=True)
class Between:
    """What the stream passes between two loops."""

    kind: Literal["rms_norm", "bottleneck"]
    dim: int | None = None  # bottleneck


@dataclass(frozen=True, slots=True)
class AuxiliaryLoss:
    """The loss of the stream after each loop, in training only: fixed weights of all loops but the last, or learned."""

    kind: Literal["fixed", "learned"]
    weights: tuple[float, ...] | None = None  # fixed


@dataclass(frozen=True, slots=True)
class SkipTrace:
    """Steps that leave the stage out add what it last added, of another batch, weaker with each step (PR 579)."""

    inject: float
    decay: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of blocks: `path` lists block indices in order, and the whole of it runs `loops` times."""

    name: str
    blocks: str
    path: tuple[int, ...]
    loops: int = 1
    inside: str | None = None  # the stage between whose halves this one runs
    firing: Firing = Firing()
    loop_vector: Vector | None = None
    position_vector: PlacedVector | None = None
    skips: Skips | None = None
    between: Between | None = None
    lanes: Lanes | None = None
    place: dict[str, Where] = field(default_factory=dict)  # value_embedding, xsa
    private: dict[str, Private] = field(default_factory=dict)  # by part
    delta: Delta | None = None
    value_residual: ValueResidual | None = None
    drop: dict[str, Where] = field(default_factory=dict)  # attention, mlp
    refire: dict[str, Where] = field(default_factory=dict)  # attention, mlp
    auxiliary_loss: AuxiliaryLoss | None = None
    backpropagate_loops: int | None = None
    skip_trace: SkipTrace | None = None
    checkpoint_activations: bool = False


@dataclass(frozen=True, slots=True)
class Extra:
    """Further runs after a stage's own: listed positions (as they are), or blocks with their shared parts."""

    times: int
    positions: tuple[int, ...] | None = None
    blocks: tuple[int, ...] | None = None
    stop_below: float | None = None


@dataclass(frozen=True, slots=True)
class StageMode:
    """What a mode changes of a stage; None leaves it as the graph says. `without` names features that are off."""

    loops: int | None = None
    path: tuple[int, ...] | None = None
    extra: Extra | None = None
    without: tuple[str, ...] = ()
