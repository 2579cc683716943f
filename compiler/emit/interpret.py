"""Interprets a plan's graph site by site: what the emitted module computes, without its source.

It walks the graph in an order of its own and looks every value up by port. Each site may be given copies of the stores
that it binds, so that the gradient of a shared store can be told apart by site. Slow; for tests and for `probe`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import torch
from torch import Tensor, nn

from .. import modules
from ..graph.model import Graph, Port, Site
from ..graph.modes import TRAINING
from ..operations import LOSSES, OPERATIONS
from ..plan import Plan

Values = dict[Port, Any]
StoresOf = Callable[[str, str, str], Tensor]
"""From a site, a slot and the store bound there to the tensor that the site reads."""
StandIn = Site | Port
"""In place of a site: the same site with other constants, or the value of one before it in the mode's order."""


@dataclass(slots=True)
class Interpretation:
    """A forward pass: every value by port, the states afterwards, and the changes of extra cycles."""

    graph: Graph
    mode: str
    sites: tuple[str, ...]
    values: Values = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)
    changes: list[Tensor] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)

    @property
    def logits(self) -> Tensor:
        """Logits (B, T, V)."""
        return self._value("output/head")

    @property
    def loss(self) -> Tensor:
        """The loss that the mode ends in, 0-dim."""
        losses = (site for site in self.sites if self.graph.site(site).operation in LOSSES)
        return self._value(next(site for site in losses if not self.graph.flows_on(site, self.mode)))

    def _value(self, site: str) -> Tensor:
        value = self.values[Port(site)]
        assert isinstance(value, Tensor)
        return value


def interpret(
    plan: Plan,
    mode: str,
    stores: Mapping[str, Tensor] | StoresOf,
    tokens: Tensor,
    targets: Tensor,
    *,
    training: bool = False,
    states: Mapping[str, Any] | None = None,
    stand_ins: Mapping[str, StandIn] | None = None,
) -> Interpretation:
    """Runs one mode on tokens and targets (B, T).

    Args:
        stores: tensors by store name, or a function that gives each site its own.
        training: runs the losses that only training has, and updates states.
        states: their values before; those not given are zero. A skip trace's state is (delta, age) or None.
        stand_ins: by site id, what stands in for the site: how `probe` removes a feature.
    """
    planned = plan.modes[mode]
    variant, sites = mode, planned.sites
    if training and planned.training_sites:
        variant, sites = mode + TRAINING, planned.training_sites
    given = (lambda site, slot, name: stores[name]) if isinstance(stores, Mapping) else stores
    before = {
        state.name: torch.zeros(state.shape, dtype=getattr(torch, state.dtype))
        for state in plan.states
        if not state.name.endswith(".trace.delta")
    }
    run = Interpretation(plan.graph, variant, sites, states=before | dict(states or {}))
    for site_id in sites if stand_ins else _order(run, training=training):
        site = plan.graph.site(site_id)
        if OPERATIONS[site.operation].source:
            run.values[Port(site_id)] = {"tokens": tokens, "targets": targets}[site.operation]
        elif site_id not in run.skipped:
            stand_in = (stand_ins or {}).get(site_id, site)
            if isinstance(stand_in, Port):
                run.values[Port(site_id)] = run.values[stand_in]
            else:
                _run_site(run, stand_in, given, training=training)
    return run


def _order(run: Interpretation, *, training: bool) -> tuple[str, ...]:
    """Any order in which inputs come first; the emitted one where states, stops or sums of gradients depend on it."""
    graph = run.graph
    if training or graph.states or any(graph.site(site).operation == "relative_change" for site in run.sites):
        return run.sites
    flow: nx.DiGraph[str] = nx.DiGraph()
    flow.add_nodes_from(run.sites)
    for source, target, data in graph.nx.edges(data=True):
        if data["kind"] == "flow" and run.mode in data["modes"]:
            flow.add_edge(source, target)
    return tuple(nx.topological_sort(flow))


def _run_site(run: Interpretation, site: Site, given: StoresOf, *, training: bool) -> None:
    operation = OPERATIONS[site.operation]
    inputs = {target: run.values[port] for target, port in run.graph.inputs(site.id, run.mode).items()}
    slots = {slot: given(site.id, slot, name) for slot, name in run.graph.bindings(site.id, run.mode).items()}
    if operation.training and not training:
        return
    if operation.sublayer:
        value = _sublayer(run, site, inputs, slots, training=training)
    elif "{" in operation.call:
        value = _template(run, site, inputs | slots)
    else:
        value = _function(site, inputs, slots)
    if site.operation == "relative_change":
        _stop_where_settled(run, site, value)
    outputs = value if len(operation.outputs) > 1 else (value,)
    run.values.update(zip((Port(site.id, output) for output in operation.outputs), outputs, strict=False))


def _stop_where_settled(run: Interpretation, site: Site, change: Tensor) -> None:
    """After a cycle that changed the stream too little, the later ones are left out."""
    run.changes.append(change)
    if site.attribute("last") or change.item() >= site.attribute("stop_below"):
        return
    later = run.sites[run.sites.index(site.id) + 1 :]
    settle = next(number for number, other in enumerate(later) if run.graph.site(other).operation == "settle")
    run.values[Port(later[settle])] = run.values[run.graph.inputs(site.id, run.mode)["x"]]
    run.skipped |= set(later[: settle + 1])


def _function(site: Site, inputs: dict[str, Any], slots: dict[str, Tensor]) -> Any:  # noqa: ANN401 - tensors or tuples
    operation = OPERATIONS[site.operation]
    further = sorted((port for port in inputs if port not in operation.inputs), key=lambda port: int(port[5:]))
    arguments = [inputs[port] for port in (*operation.inputs, *further)]
    if not operation.variadic:
        arguments += [slots[slot] for slot in operation.slots]
        slots = {}
    return getattr(modules, operation.call)(*arguments, **slots, **_constants(site))


def _constants(site: Site) -> dict[str, Any]:
    wanted = OPERATIONS[site.operation].constants
    return {name: value for name, value in site.attributes if name in wanted}


def _template(run: Interpretation, site: Site, values: dict[str, Any]) -> Any:  # noqa: ANN401
    """Evaluates the template with the ports' own names; a state that it writes is replaced by a copy."""
    operation = OPERATIONS[site.operation]
    touched = run.graph.touched(site.id, run.mode)
    for slot in operation.writes:
        run.states[touched[slot]] = run.states[touched[slot]].clone()
    names = values | {slot: run.states[state] for slot, state in touched.items()}
    constants = {name: repr(value) for name, value in site.attributes}
    text = operation.call.format(**constants, **{name: name for name in names})
    return eval(text, vars(modules), names)


def _sublayer(
    run: Interpretation, site: Site, inputs: dict[str, Any], slots: dict[str, Tensor], *, training: bool
) -> Any:  # noqa: ANN401
    """Calls a sublayer built for this call, with the slots in place of its own parameters."""
    assert site.module is not None
    operation = OPERATIONS[site.operation]
    layer: nn.Module = eval(run.graph.sublayers[site.module], vars(modules) | {"torch": torch})
    layer.train(training)
    own = f"{site.module}."
    bound = run.graph.bindings(site.id, run.mode)
    overrides = {slot: value for slot, value in slots.items() if bound[slot] != own + slot}
    parameters = {slot: value for slot, value in slots.items() if slot not in overrides}
    arguments = [inputs[port] for port in operation.inputs]
    named = {port: inputs[port] for port in operation.optional if port in inputs}
    call = {**named, **overrides, **_constants(site)}
    if not operation.call:
        return torch.func.functional_call(layer, parameters, tuple(arguments), call)
    return _trace(run, site, layer, parameters, arguments)


def _trace(
    run: Interpretation, site: Site, layer: nn.Module, parameters: dict[str, Tensor], arguments: list[Any]
) -> Any:  # noqa: ANN401
    """A method of a sublayer with a state: (delta, age) before, and after."""
    (state,) = set(run.graph.touched(site.id, run.mode).values())
    layer.delta, layer.age = run.states.get(state) or (None, None)  # type: ignore[assignment]
    for slot, value in parameters.items():
        layer._parameters[slot] = value  # type: ignore[assignment]
    result = getattr(layer, OPERATIONS[site.operation].call[1:])(*arguments)
    if layer.delta is not None:
        run.states[state] = (layer.delta, layer.age)
    return result
