"""Adds stores and sites to a graph, mode by mode: a site that is built again in another mode must be the same site."""

from __future__ import annotations

from typing import Any

from .model import Graph, Port, Site, Store, YamlPath
from .operations import OPERATIONS


class GraphBuilder:
    """Builds one graph; `mode` names the mode whose flow is being added."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.mode = "full"

    def store(self, store: Store) -> str:
        """Declares a store and returns its name; declaring the same store again is harmless."""
        nodes = self.graph.nx.nodes
        if store.name in nodes:
            assert nodes[store.name]["node"] == store, f"{store.name} declared twice, differently"
        else:
            self.graph.nx.add_node(store.name, node=store)
        return store.name

    def site(self, site: Site, inputs: dict[str, Port], stores: dict[str, str] | None = None) -> Port:
        """Adds a site to the current mode: what flows into it, and the stores it binds by slot. Returns its output."""
        graph = self.graph.nx
        if site.id in graph:
            assert graph.nodes[site.id]["node"] == site, f"{site.id} differs between modes"
            graph.nodes[site.id]["modes"] |= {self.mode}
        else:
            graph.add_node(site.id, node=site, modes=frozenset({self.mode}))
        for slot, name in (stores or {}).items():
            graph.add_edge(name, site.id, key=f"binds:{slot}", kind="binds", slot=slot)
        for target, port in inputs.items():
            self._flow(port, site.id, target)
        return Port(site.id, OPERATIONS[site.operation].output)

    def _flow(self, port: Port, site_id: str, target: str) -> None:
        graph, key = self.graph.nx, f"flow:{port.name}->{target}"
        known = graph.get_edge_data(port.site, site_id, key)
        modes = (known["modes"] if known else frozenset()) | {self.mode}
        graph.add_edge(port.site, site_id, key=key, kind="flow", source=port.name, target=target, modes=modes)


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
