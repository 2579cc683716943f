"""What passes hand on: the spec and the annotations so far. A pass returns a new draft, the old one stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..graph.executions import Execution
from ..graph.model import Graph
from ..plan import Cost, SizeEstimate
from ..spec import Spec
from ..spec.quantization import Scheme


@dataclass(frozen=True, slots=True)
class StoreUse:
    """In which modes a store is read, and by how many sites of mode full."""

    modes: tuple[str, ...]
    sites: int


@dataclass(frozen=True, slots=True)
class Draft:
    """Annotations, each filled by the pass that is named beside it."""

    spec: Spec
    loops: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # paths: mode -> stage -> loops
    executions: tuple[Execution, ...] = ()  # paths
    graph: Graph | None = None  # bind
    order: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # modes: site ids in execution order
    widths: Mapping[str, int] = field(default_factory=dict)  # shapes: features of each site's output
    uses: Mapping[str, StoreUse] = field(default_factory=dict)  # uses
    schemes: Mapping[str, Scheme] = field(default_factory=dict)  # quantization
    costs: Mapping[str, Cost] = field(default_factory=dict)  # cost: by mode
    size: SizeEstimate | None = None  # size
