"""The verifier: small rules that hold for every graph, checked when a pass makes one. A breach is a bug."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import networkx as nx

from ..operations import LOSSES, OPERATIONS
from .model import Graph, Site, State, Store


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
        if data["source"] not in sender.outputs or not receiver.accepts(data["target"]):
            yield f"{source}.{data['source']} -> {target}.{data['target']}"


def _two_flows_into_one_port(graph: Graph) -> Iterator[str]:
    yield from _twice(graph, "flow", "target")


def _wrong_slots(graph: Graph) -> Iterator[str]:
    for site in _sites(graph):
        operation = OPERATIONS[site.operation]
        for mode in sorted(graph.nx.nodes[site.id]["modes"]):
            bound = set(graph.bindings(site.id, mode))
            missing, unknown = set(operation.slots) - bound, bound - set(operation.slots + operation.optional_slots)
            yield from (f"{site.id} in {mode}: no store for {slot}" for slot in sorted(missing))
            yield from (f"{site.id} in {mode}: no slot {slot}" for slot in sorted(unknown))


def _two_stores_in_one_slot(graph: Graph) -> Iterator[str]:
    yield from _twice(graph, "binds", "slot")


def _twice(graph: Graph, kind: str, end: str) -> Iterator[str]:
    """Port or slot of a site that several edges of a kind enter in one mode."""
    seen: set[tuple[str, str, str]] = set()
    for _, site, data in graph.nx.in_edges(data=True):
        for mode in data["modes"] if data["kind"] == kind else ():
            if (site, data[end], mode) in seen:
                yield f"{site}.{data[end]} in {mode}"
            seen.add((site, data[end], mode))


def _binding_that_is_not_the_modules(graph: Graph) -> Iterator[str]:
    """The emitted call uses the module's own parameters; another binding would be planned and never run."""
    for site in _sites(graph):
        if site.module is not None:
            bound = graph.bindings(site.id).items()
            own = OPERATIONS[site.operation].optional_slots  # which a call can override
            yield from (
                f"{site.id}.{slot} = {name}"
                for slot, name in bound
                if name != f"{site.module}.{slot}" and slot not in own
            )


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
        sites = [site for site in _sites(graph) if mode in graph.nx.nodes[site.id]["modes"]]
        ends = [site for site in sites if site.operation in LOSSES and not graph.flows_on(site.id, mode)]
        if len(ends) != 1:
            yield f"{mode} has {len(ends)}"


def _unread_output(graph: Graph) -> Iterator[str]:
    for site in _sites(graph):
        operation = OPERATIONS[site.operation]
        if site.operation in LOSSES or site.operation in REPORTS or operation.writes:
            continue
        for mode in graph.nx.nodes[site.id]["modes"]:
            if not graph.flows_on(site.id, mode):
                yield f"{site.id} in {mode}"


def _wrong_states(graph: Graph) -> Iterator[str]:
    """Reads and writes are those of the operation, and a slot that has both is bound to one state."""
    for site in _sites(graph):
        operation = OPERATIONS[site.operation]
        for mode in sorted(graph.nx.nodes[site.id]["modes"]):
            reads, writes = graph.reads(site.id, mode), graph.writes(site.id, mode)
            for kind, found, wanted in (("reads", reads, operation.states), ("writes", writes, operation.writes)):
                slots = sorted(found.keys() ^ set(wanted))
                yield from (f"{site.id} in {mode}: {kind} {slot}" for slot in slots)
            apart = sorted(slot for slot in reads.keys() & writes.keys() if reads[slot] != writes[slot])
            yield from (f"{site.id} in {mode}: two states in {slot}" for slot in apart)


REPORTS = frozenset({"relative_change"})
"""Operations whose output is reported rather than read."""

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
    GraphRule("G12", "a binding that the site's sublayer does not use", _binding_that_is_not_the_modules),
    GraphRule("G13", "states and what the operation touches do not agree", _wrong_states),
)
