"""The verifier: small rules that hold for every graph, checked when a pass makes one. A breach is a bug."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import networkx as nx

from .model import Graph, Site, State, Store
from .operations import OPERATIONS


class GraphError(Exception):
    """The graph breaks a rule of the verifier; names the rule and the node."""


@dataclass(frozen=True, slots=True)
class GraphRule:
    """A rule: `breaches` yields the offending nodes or edges."""

    id: str
    message: str
    breaches: Callable[[Graph], Iterator[str]]


def verify(graph: Graph, after: str) -> None:
    """Checks every rule. Raises GraphError with all breaches; `after` names the pass that ran last."""
    # the other rules look up ends and operations, so they wait until G01 and G02 hold
    found = _breaches(graph, RULES[:2]) or _breaches(graph, RULES[2:])
    if found:
        raise GraphError(f"after pass {after!r}:\n  " + "\n  ".join(found))


def _breaches(graph: Graph, rules: tuple[GraphRule, ...]) -> list[str]:
    return [f"{rule.id} {rule.message}: {what}" for rule in rules for what in rule.breaches(graph)]


def _sites(graph: Graph) -> Iterator[Site]:
    yield from graph.nodes(Site)


def _modes(graph: Graph) -> list[str]:
    return sorted({mode for site in _sites(graph) for mode in graph.nx.nodes[site.id]["modes"]})


def _unknown_operation(graph: Graph) -> Iterator[str]:
    yield from (site.id for site in _sites(graph) if site.operation not in OPERATIONS)


def _missing_input(graph: Graph) -> Iterator[str]:
    for site in _sites(graph):
        for mode in graph.nx.nodes[site.id]["modes"]:
            given = graph.inputs(site.id, mode)
            yield from (
                f"{site.id}.{port} in {mode}" for port in OPERATIONS[site.operation].inputs if port not in given
            )


def _unknown_port(graph: Graph) -> Iterator[str]:
    for source, target, data in graph.nx.edges(data=True):
        if data["kind"] != "flow":
            continue
        sender, receiver = OPERATIONS[graph.site(source).operation], OPERATIONS[graph.site(target).operation]
        if data["source"] not in sender.outputs or data["target"] not in receiver.inputs + receiver.optional:
            yield f"{source}.{data['source']} -> {target}.{data['target']}"


def _two_flows_into_one_port(graph: Graph) -> Iterator[str]:
    for site in _sites(graph):
        seen: set[tuple[str, str]] = set()
        for _, _, data in graph.nx.in_edges(site.id, data=True):
            if data["kind"] == "flow":
                for mode in data["modes"]:
                    if (data["target"], mode) in seen:
                        yield f"{site.id}.{data['target']} in {mode}"
                    seen.add((data["target"], mode))


def _wrong_slots(graph: Graph) -> Iterator[str]:
    for site in _sites(graph):
        operation = OPERATIONS[site.operation]
        for mode in sorted(graph.nx.nodes[site.id]["modes"]):
            bound = set(graph.bindings(site.id, mode))
            missing, unknown = set(operation.slots) - bound, bound - set(operation.slots + operation.optional_slots)
            yield from (f"{site.id} in {mode}: no store for {slot}" for slot in sorted(missing))
            yield from (f"{site.id} in {mode}: no slot {slot}" for slot in sorted(unknown))


def _two_stores_in_one_slot(graph: Graph) -> Iterator[str]:
    for site in _sites(graph):
        seen: set[tuple[str, str]] = set()
        for _, _, data in graph.nx.in_edges(site.id, data=True):
            if data["kind"] == "binds":
                for mode in data["modes"]:
                    if (data["slot"], mode) in seen:
                        yield f"{site.id}.{data['slot']} in {mode}"
                    seen.add((data["slot"], mode))


def _binding_that_is_not_the_modules(graph: Graph) -> Iterator[str]:
    """The emitted call uses the module's own parameters; another binding would be planned and never run."""
    for site in _sites(graph):
        if site.module is not None:
            bound = graph.bindings(site.id).items()
            yield from (f"{site.id}.{slot} = {name}" for slot, name in bound if name != f"{site.module}.{slot}")


def _wrong_ends(graph: Graph) -> Iterator[str]:
    ends = {"binds": (Store, Site), "flow": (Site, Site), "reads": (State, Site), "writes": (Site, State)}
    for source, target, data in graph.nx.edges(data=True):
        classes = ends[data["kind"]]
        nodes = graph.nx.nodes
        if not (isinstance(nodes[source]["node"], classes[0]) and isinstance(nodes[target]["node"], classes[1])):
            yield f"{data['kind']} {source} -> {target}"


def _edge_outside_mode(graph: Graph) -> Iterator[str]:
    for source, target, data in graph.nx.edges(data=True):
        ends = [graph.nx.nodes[end]["modes"] for end in (source, target) if "modes" in graph.nx.nodes[end]]
        outside = data["modes"] - frozenset.intersection(*ends)
        if outside:
            yield f"{source} -> {target} in {sorted(outside)}"


def _cycle(graph: Graph) -> Iterator[str]:
    for mode in _modes(graph):
        try:
            graph.mode_sites(mode)
        except nx.NetworkXUnfeasible:
            yield mode


def _no_single_loss(graph: Graph) -> Iterator[str]:
    for mode in _modes(graph):
        losses = [
            site
            for site in _sites(graph)
            if site.operation == "cross_entropy" and mode in graph.nx.nodes[site.id]["modes"]
        ]
        if len(losses) != 1:
            yield f"{mode} has {len(losses)}"


def _unread_output(graph: Graph) -> Iterator[str]:
    for site in _sites(graph):
        if site.operation == "cross_entropy":
            continue
        for mode in graph.nx.nodes[site.id]["modes"]:
            out = graph.nx.out_edges(site.id, data=True)
            if not any(mode in data["modes"] for _, _, data in out):
                yield f"{site.id} in {mode}"


RULES: tuple[GraphRule, ...] = (
    GraphRule("G01", "an edge joins the wrong kinds of node", _wrong_ends),
    GraphRule("G02", "unknown operation", _unknown_operation),
    GraphRule("G03", "an edge names a port that the operation does not have", _unknown_port),
    GraphRule("G04", "a required input is missing", _missing_input),
    GraphRule("G05", "two flows enter one port in one mode", _two_flows_into_one_port),
    GraphRule("G06", "slots and stores do not agree", _wrong_slots),
    GraphRule("G07", "an edge holds in a mode that an end does not run in", _edge_outside_mode),
    GraphRule("G08", "a mode has a cycle", _cycle),
    GraphRule("G09", "a mode needs exactly one loss", _no_single_loss),
    GraphRule("G10", "an output that nothing reads", _unread_output),
    GraphRule("G11", "two stores in one slot in one mode", _two_stores_in_one_slot),
    GraphRule("G12", "a binding that the site's module does not use", _binding_that_is_not_the_modules),
)
