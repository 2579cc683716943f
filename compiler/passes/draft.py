"""What passes hand on: the spec and the annotations so far. A pass returns a new draft, the old one stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..graph.executions import Execution, Table
from ..graph.model import Graph
from ..graph.modes import Mode
from ..plan import Cost, SizeEstimate
from ..spec import Spec
from ..spec.quantization import Scheme


@dataclass(frozen=True, slots=True)
class StoreUse:
    """In which modes a store is read, by how many sites of mode full, and in which modes a gradient reaches it."""

    modes: tuple[str, ...]
    sites: int
    gradient_modes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """Annotations, each filled by the pass that is named beside it."""

    spec: Spec
    modes: Mapping[str, Mode] = field(default_factory=dict)  # paths
    table: Table | None = None  # paths
    graph: Graph | None = None  # bind
    order: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # modes: site ids in execution order
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # modes: with the losses of training
    widths: Mapping[str, int] = field(default_factory=dict)  # shapes: features of each site's output
    uses: Mapping[str, StoreUse] = field(default_factory=dict)  # uses
    groups: Mapping[str, str] = field(default_factory=dict)  # optimizer: by store
    schemes: Mapping[str, Scheme] = field(default_factory=dict)  # quantization
    costs: Mapping[str, Cost] = field(default_factory=dict)  # cost: by mode
    depths: Mapping[str, int] = field(default_factory=dict)  # cost: by mode
    size: SizeEstimate | None = None  # size

    @property
    def executions(self) -> tuple[Execution, ...]:
        """All block executions, those of mode full first."""
        return () if self.table is None else self.table.executions
