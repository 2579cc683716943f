"""The plan: everything that is known before a run, frozen. The emitter, the runtime and the printed dump read this."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from .spec import Spec
from .spec.architecture import Init
from .spec.quantization import Scheme

if TYPE_CHECKING:
    from .graph.model import Graph


@dataclass(frozen=True, slots=True)
class PlannedStore:
    """One stored tensor. Its `name` is public and stable, and is the module's parameter name.

    Attributes:
        group: optimizer group (matrices, embeddings, scalars, head).
        modes: modes in which some site reads it; a step in another mode leaves it alone (or only decays it).
        sites: how many sites of mode `full` read it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    init: Init
    group: str
    scheme: Scheme
    modes: tuple[str, ...]
    sites: int
    family: tuple[str, ...] = ()

    @property
    def elements(self) -> int:
        """Number of parameters."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Position:
    """One execution of a block in mode `full`; `(stage, block, occurrence)` identifies it in every mode."""

    index: int
    stage: str
    loop: int
    block: str  # "core.3"
    occurrence: int
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a mode. Multiply-adds count as two FLOPs; bytes are float32 activations kept for the backward pass."""

    forward_flops_per_token: int
    backward_flops_per_token: int
    activation_bytes_per_token: int


@dataclass(frozen=True, slots=True)
class PlannedMode:
    """One forward path: the sites that run, in order, and the block positions among them."""

    name: str
    sites: tuple[str, ...]
    positions: tuple[int, ...]
    cost: Cost


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
    def parameters(self) -> int:
        """Stored parameters: every store once, whatever the number of sites that read it."""
        return sum(store.elements for store in self.stores)

    @property
    def effective_parameters(self) -> int:
        """Parameters counted once for each site of mode `full` that reads them: the size of an untied equivalent."""
        return sum(store.elements * max(store.sites, 1) for store in self.stores)
