"""Adds stores and sites to a graph, mode by mode: a site that is built again in another mode must be the same site."""

from __future__ import annotations

from typing import Any

from ..operations import OPERATIONS
from .model import Graph, Port, Site, State, Store, YamlPath


class GraphBuilder:
    """Builds one graph; `mode` names the mode whose flow is being added."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.mode = "full"

    def store(self, store: Store) -> str:
        """Declares a store and returns its name; declaring the same store again is harmless."""
        return self._declare(store)

    def state(self, state: State) -> str:
        """Declares a state, likewise."""
        return self._declare(state)

    def sublayer(self, path: str, source: str) -> None:
        """Declares the sublayer that holds the stores below `path`, by the source that constructs it."""
        assert self.graph.sublayers.setdefault(path, source) == source, f"{path} declared twice, differently"

    def _declare(self, node: Store | State) -> str:
        nodes = self.graph.nx.nodes
        if node.name in nodes:
            assert nodes[node.name]["node"] == node, f"{node.name} declared twice, differently"
        else:
            self.graph.nx.add_node(node.name, node=node)
        return node.name

    def site(self, site: Site, inputs: dict[str, Port], stores: dict[str, str] | None = None) -> Port:
        """Adds a site to the current mode: what flows into it, and the stores it binds by slot.

        Returns its first output; an operation with several has the others at `Port(site.id, name)`.
        """
        graph, built = self.graph.nx, self.graph.built.setdefault(self.mode, {})
        built.setdefault(site.id, len(built))
        if site.id in graph:
            assert graph.nodes[site.id]["node"] == site, f"{site.id} differs between modes"
            graph.nodes[site.id]["modes"] |= {self.mode}
        else:
            graph.add_node(site.id, node=site, modes=frozenset({self.mode}))
        for slot, name in (stores or {}).items():
            self._edge(name, site.id, f"binds:{slot}", kind="binds", slot=slot)
        for target, port in inputs.items():
            key = f"flow:{port.name}->{target}"
            self._edge(port.site, site.id, key, kind="flow", source=port.name, target=target)
        return Port(site.id, next(iter(OPERATIONS[site.operation].outputs), "out"))

    def slots(self, module: str, *slots: str) -> dict[str, str]:
        """Bindings of a sublayer's slots for which a store is declared."""
        return {slot: f"{module}.{slot}" for slot in slots if f"{module}.{slot}" in self.graph.nx}

    def reads(self, state: str, site: Port, slot: str) -> None:
        """Lets a site read a state in the current mode; reads come before writes."""
        self._edge(state, site.site, f"reads:{slot}", kind="reads", slot=slot)

    def writes(self, site: Port, state: str, slot: str) -> None:
        """Lets a site write a state in the current mode."""
        self._edge(site.site, state, f"writes:{slot}", kind="writes", slot=slot)

    def _edge(self, start: str, end: str, key: str, /, **data: str) -> None:
        """An edge that holds in the current mode, and in those in which it was added before."""
        known = self.graph.nx.get_edge_data(start, end, key)
        modes = (known["modes"] if known else frozenset()) | {self.mode}
        self.graph.nx.add_edge(start, end, key=key, modes=modes, **data)


def make_site(
    site_id: str,
    operation: str,
    *,
    module: str | None = None,
    position: int | None = None,
    origin: YamlPath = (),
    **attributes: Any,  # noqa: ANN401 - constants of several types
) -> Site:
    """A site with its attributes sorted, so that equal sites compare equal."""
    return Site(site_id, operation, module, tuple(sorted(attributes.items())), position, origin)
