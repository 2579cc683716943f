"""Regions that the backward pass computes again: the block executions of stages with checkpointed activations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..operations import OPERATIONS
from .model import Graph, Port


@dataclass(frozen=True, slots=True)
class Region:
    """The sites of one block execution, in order, in a mode or variant. States lie outside: none is written twice."""

    graph: Graph
    variant: str
    position: int
    sites: tuple[str, ...]

    def __post_init__(self) -> None:
        touched = [site for site in self.sites if OPERATIONS[self.graph.site(site).operation].writes]
        assert not touched, f"a state would be written twice: {touched}"

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Values from outside, in the order of their first use."""
        ports = (port for site in self.sites for port in self.graph.inputs(site, self.variant).values())
        return tuple(dict.fromkeys(port for port in ports if port.site not in self.sites))

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Values that sites outside read, in the order in which they are computed."""
        read = dict.fromkeys(self._read_outside())
        return tuple(sorted(read, key=lambda port: self.sites.index(port.site)))

    def _read_outside(self) -> Iterator[Port]:
        for site in self.sites:
            for _, target, data in self.graph.nx.out_edges(site, data=True):
                if data["kind"] == "flow" and self.variant in data["modes"] and target not in self.sites:
                    yield Port(site, data["source"])


def regions(graph: Graph, variant: str, order: Iterable[str], positions: frozenset[int]) -> dict[int, Region]:
    """The regions of a mode or variant at `positions`, by position."""
    sites: dict[int, list[str]] = {}
    for site_id in order:
        position = graph.site(site_id).position
        if position is not None and position in positions:
            sites.setdefault(position, []).append(site_id)
    return {position: Region(graph, variant, position, tuple(inside)) for position, inside in sites.items()}
