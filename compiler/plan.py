"""The plan: everything that is known before a run, frozen. The emitter, the runtime and the printed dump read this."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from .spec import Spec
from .spec.init import Init
from .spec.quantization import Scheme

if TYPE_CHECKING:
    from .graph.model import Graph, State


FROZEN, UNASSIGNED = "frozen", "none"
"""Groups that no optimizer trains: kept as it starts on purpose, and by a fault that the spec expects."""


@dataclass(frozen=True, slots=True)
class PlannedStore:
    """One stored tensor. Its `name` is public and stable, and is the module's parameter name.

    Attributes:
        group: optimizer group (matrices, embeddings, scalars, head), or FROZEN or UNASSIGNED.
        modes: modes in which some site reads it; a step in another mode leaves it alone (or only decays it).
        sites: how many sites of mode `full` read it, with the losses of training.
        gradient_modes: modes of a training step in which a gradient reaches it.
        exported: whether the artifact holds it; what only training reads is left out.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    init: Init
    group: str
    scheme: Scheme
    modes: tuple[str, ...]
    sites: int
    gradient_modes: tuple[str, ...]
    family: tuple[str, ...] = ()
    exported: bool = True

    @property
    def elements(self) -> int:
        """Number of parameters."""
        return prod(self.shape)

    @property
    def trainable(self) -> bool:
        """Whether some optimizer trains it."""
        return self.group not in (FROZEN, UNASSIGNED)


@dataclass(frozen=True, slots=True)
class Position:
    """One execution of a block; `(stage, block, occurrence)` identifies it in every mode. Mode full's come first."""

    index: int
    stage: str
    loop: int
    block: str  # "core.3"
    occurrence: int
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a mode. Multiply-adds count as two FLOPs; bytes are float32 activations kept for the backward pass.

    Attributes:
        forward_flops_per_token, backward_flops_per_token: at `sequence_length`, which is `train.sequence_length`.
        forward_growth, backward_growth: what both grow by for each token that the sequence is longer.
    """

    forward_flops_per_token: int
    backward_flops_per_token: int
    activation_bytes_per_token: int
    sequence_length: int = 0
    forward_growth: int = 0
    backward_growth: int = 0

    def flops_per_token(self, length: int) -> tuple[int, int]:
        """Forward and backward, in sequences of `length` tokens."""
        longer = length - self.sequence_length
        return (
            self.forward_flops_per_token + longer * self.forward_growth,
            self.backward_flops_per_token + longer * self.backward_growth,
        )


@dataclass(frozen=True, slots=True)
class PlannedMode:
    """One forward path: the sites that run, in order, and the block positions among them.

    Attributes:
        depth: block executions on the longest way through; parallel firings do not add to it.
        training_sites: the sites of a training step, where training has losses of its own; else empty.
    """

    name: str
    sites: tuple[str, ...]
    positions: tuple[int, ...]
    cost: Cost
    depth: int
    training_sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SizeEstimate:
    """Predicted artifact size in bytes, the code's included; `low` and `high` bound the interval."""

    limit_bytes: int
    predicted_bytes: int
    low_bytes: int
    high_bytes: int
    code_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled spec, before any torch."""

    spec: Spec
    graph: Graph
    stores: tuple[PlannedStore, ...]
    positions: tuple[Position, ...]
    modes: dict[str, PlannedMode]
    size: SizeEstimate

    @property
    def states(self) -> tuple[State, ...]:
        """Buffers that sites write; saved with the weights."""
        return self.graph.states

    @property
    def exported_stores(self) -> tuple[PlannedStore, ...]:
        """The stores that the artifact holds, in its order."""
        return tuple(store for store in self.stores if store.exported)

    @property
    def exported_states(self) -> tuple[State, ...]:
        """The states that the artifact holds, in its order, after the stores."""
        return tuple(state for state in self.states if state.exported)

    @property
    def checkpointed_positions(self) -> frozenset[int]:
        """Positions that the backward pass computes again instead of keeping what is inside."""
        stages = {stage.name for stage in self.spec.architecture.stages if stage.checkpoint_activations}
        return frozenset(position.index for position in self.positions if position.stage in stages)

    @property
    def parameters(self) -> int:
        """Parameters: every store once, whatever the number of sites that read it, those of training alone included."""
        return sum(store.elements for store in self.stores)

    @property
    def exported_parameters(self) -> int:
        """Parameters that the artifact holds."""
        return sum(store.elements for store in self.exported_stores)

    @property
    def training_only_parameters(self) -> int:
        """Parameters that only the losses of training read, and that the artifact does not hold."""
        return self.parameters - self.exported_parameters

    @property
    def effective_parameters(self) -> int:
        """Parameters counted once for each site of mode `full` that reads them: the size of an untied equivalent."""
        return sum(store.elements * max(store.sites, 1) for store in self.stores)
