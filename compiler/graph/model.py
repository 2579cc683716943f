"""The graph: stores (parameters), sites (executions of an operation) and states (buffers), in a networkx multigraph.

A store is declared once and has one name; sites refer to it through `binds` edges. Sites are the same nodes in every
mode; `flow` edges carry the modes in which they hold. Identity is the declared name, never shape, content or address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import networkx as nx

from ..spec.init import Dtype, Init

Group = Literal["matrices", "embeddings", "scalars", "head"]
YamlPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """A stored tensor.

    Attributes:
        origin: the YAML path that caused it.
        family: names of stores that start jointly.
        exported: whether the artifact holds it; what only training reads is left out.
        acts_at_zero: whether zeros still do something (a sigmoid is half open, attention without scores is a mean);
            else a store that stays at zero switches off what it multiplies or adds.
    """

    name: str
    shape: tuple[int, ...]
    group: Group
    init: Init
    dtype: Dtype = "float32"
    origin: YamlPath = ()
    family: tuple[str, ...] = ()
    exported: bool = True
    acts_at_zero: bool = False

    @property
    def elements(self) -> int:
        """Number of parameters."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class State:
    """A buffer that sites read and write, never trained; within a sublayer it has the shape that it finds there.

    Attributes:
        exported: whether the artifact holds it; what only training reads is left out.
    """

    name: str
    shape: tuple[int, ...]
    dtype: Dtype = "float32"
    origin: YamlPath = ()
    exported: bool = True


@dataclass(frozen=True, slots=True)
class Site:
    """One execution of an operation.

    Attributes:
        id: stable in every mode: `stage/group.block#occurrence/role`, or `input/role`, `loop`, `output/role`.
        operation: a key of OPERATIONS.
        module: path of the sublayer whose parameters it uses, None for parameter-free or single-store operations.
        attributes: constants of the call (norm scale, softcap, ...), sorted by name.
        position: index of the block execution it belongs to, in mode full.
    """

    id: str
    operation: str
    module: str | None = None
    attributes: tuple[tuple[str, Any], ...] = ()
    position: int | None = None
    origin: YamlPath = ()

    def attribute(self, name: str) -> Any:  # noqa: ANN401 - constants of several types
        """The constant `name` of the call, None where it has none."""
        return dict(self.attributes).get(name)


@dataclass(frozen=True, slots=True)
class Port:
    """An output of a site."""

    site: str
    name: str = "out"


class _Edges:
    """The edges of a graph by kind, mode (None: any) and site, read off once; in the order in which they were added."""

    __slots__ = ("bindings", "flowing", "inputs", "orders", "readers", "reads", "writes")

    def __init__(self, graph: nx.MultiDiGraph[str]) -> None:
        self.inputs: dict[tuple[str, str], dict[str, Port]] = {}
        self.bindings: dict[tuple[str, str | None], dict[str, str]] = {}
        self.reads: dict[tuple[str, str], dict[str, str]] = {}
        self.writes: dict[tuple[str, str], dict[str, str]] = {}
        self.flowing: set[tuple[str, str]] = set()
        self.readers: dict[tuple[str, str | None], dict[str, None]] = {}
        self.orders: dict[str, tuple[str, ...]] = {}
        for source, target, data in graph.in_edges(data=True):
            self._enter(source, target, data)
        for source, target, data in graph.out_edges(data=True):
            self._leave(source, target, data)

    def _enter(self, source: str, target: str, data: dict[str, Any]) -> None:
        kind = data["kind"]
        if kind == "flow":
            port = Port(source, data["source"])
            for mode in data["modes"]:
                self.inputs.setdefault((target, mode), {})[data["target"]] = port
                self.flowing.add((source, mode))
        elif kind == "binds":
            for mode in (None, *data["modes"]):
                self.bindings.setdefault((target, mode), {})[data["slot"]] = source
        elif kind == "reads":
            for mode in data["modes"]:
                self.reads.setdefault((target, mode), {})[data["slot"]] = source

    def _leave(self, source: str, target: str, data: dict[str, Any]) -> None:
        if data["kind"] == "binds":
            for mode in (None, *data["modes"]):
                self.readers.setdefault((source, mode), {})[target] = None
        elif data["kind"] == "writes":
            for mode in data["modes"]:
                self.writes.setdefault((source, mode), {})[data["slot"]] = target


@dataclass(slots=True)
class Graph:
    """A MultiDiGraph whose nodes carry a Store, Site or State under `node`.

    Edges carry the frozenset of `modes` in which they hold, and by `kind`:
        binds: store -> site, with `slot`.
        flow: site -> site, with `source` and `target` port names.
        reads, writes: state -> site and site -> state, with `slot`.

    `sublayers` gives, by path, the source that constructs the sublayer whose parameters the stores below it are.
    `built` numbers the sites of each mode in the order in which they were added to it.
    """

    nx: nx.MultiDiGraph[str] = field(default_factory=nx.MultiDiGraph)
    sublayers: dict[str, str] = field(default_factory=dict)
    built: dict[str, dict[str, int]] = field(default_factory=dict)
    _known: _Edges | None = field(default=None, init=False, repr=False, compare=False)

    def nodes(self, kind: type) -> Iterator[Any]:
        """All nodes of one class, in the order in which they were declared."""
        return (data["node"] for _, data in self.nx.nodes(data=True) if isinstance(data["node"], kind))

    @property
    def stores(self) -> tuple[Store, ...]:
        """Stores in declared order."""
        return tuple(self.nodes(Store))

    @property
    def states(self) -> tuple[State, ...]:
        """States in declared order."""
        return tuple(self.nodes(State))

    def site(self, site_id: str) -> Site:
        """The site of that id."""
        node = self.nx.nodes[site_id]["node"]
        assert isinstance(node, Site), site_id
        return node

    def inputs(self, site_id: str, mode: str) -> Mapping[str, Port]:
        """What flows into each input port of a site in a mode."""
        return self._edges.inputs.get((site_id, mode), {})

    def bindings(self, site_id: str, mode: str | None = None) -> Mapping[str, str]:
        """Store name by slot, in a mode or (None) in all of them together."""
        return self._edges.bindings.get((site_id, mode), {})

    def flows_on(self, site_id: str, mode: str) -> bool:
        """Whether any site reads an output of this one in a mode."""
        return (site_id, mode) in self._edges.flowing

    def reads(self, site_id: str, mode: str) -> Mapping[str, str]:
        """State name by slot that a site reads in a mode."""
        return self._edges.reads.get((site_id, mode), {})

    def writes(self, site_id: str, mode: str) -> Mapping[str, str]:
        """State name by slot that a site writes in a mode."""
        return self._edges.writes.get((site_id, mode), {})

    def touched(self, site_id: str, mode: str) -> dict[str, str]:
        """State name by slot that a site reads or writes in a mode."""
        return {**self.reads(site_id, mode), **self.writes(site_id, mode)}

    def readers(self, store: str, mode: str | None = None) -> tuple[str, ...]:
        """Sites that bind a store, in a mode or in any."""
        return tuple(self._edges.readers.get((store, mode), ()))

    @property
    def _edges(self) -> _Edges:
        """Of a graph that is not frozen they may change at any time, so they are read off afresh."""
        known = self._known
        if known is None:
            known = _Edges(self.nx)
            self._known = known if nx.is_frozen(self.nx) else None
        return known

    def mode_sites(self, mode: str) -> tuple[str, ...]:
        """Sites of a mode in execution order: topological, ties in the order of `built`.

        Another mode may have declared some of them earlier, and a cycle must not run before the stop ahead of it.

        Raises networkx.NetworkXUnfeasible where the mode has a cycle (the verifier reports it).
        """
        known = self._edges.orders
        if mode not in known:
            known[mode] = self._ordered(mode)
        return known[mode]

    def _ordered(self, mode: str) -> tuple[str, ...]:
        edges = self._edges
        flow: nx.DiGraph[str] = nx.DiGraph()
        sites = [site.id for site in self.nodes(Site) if mode in self.nx.nodes[site.id]["modes"]]
        flow.add_nodes_from(sites)
        flow.add_edges_from((port.site, site) for site in sites for port in edges.inputs.get((site, mode), {}).values())
        flow.add_edges_from(self._reads_before_writes(mode))
        order = self.built.get(mode, {})
        return tuple(nx.lexicographical_topological_sort(flow, key=order.__getitem__))

    def _reads_before_writes(self, mode: str) -> Iterator[tuple[str, str]]:
        """A site that reads a state sees it as it was before the forward pass."""
        for state in self.states:
            readers = [site for _, site, data in self.nx.out_edges(state.name, data=True) if mode in data["modes"]]
            writers = [site for site, _, data in self.nx.in_edges(state.name, data=True) if mode in data["modes"]]
            yield from ((reader, writer) for reader in readers for writer in writers if reader != writer)
