"""Pass `uses`: which modes read each store and reach it with a gradient, and how many sites read it."""

from __future__ import annotations

from dataclasses import replace

from ..graph.model import Graph
from ..graph.modes import FULL, TRAINING
from ..operations import LOSSES
from .draft import Draft, StoreUse


def count_uses(draft: Draft) -> Draft:
    """Fills `uses`."""
    assert draft.graph is not None
    graph = draft.graph
    trained = {mode: mode + TRAINING if mode in draft.variants else mode for mode in draft.modes}
    order = dict(draft.order) | {mode + TRAINING: sites for mode, sites in draft.variants.items()}
    reached = {mode: _stores_with_gradient(graph, variant, order[variant]) for mode, variant in trained.items()}
    uses = {}
    for store in graph.stores:
        modes = tuple(mode for mode in draft.modes if graph.readers(store.name, trained[mode]))
        gradient = tuple(mode for mode in modes if store.name in reached[mode])
        uses[store.name] = StoreUse(modes, len(graph.readers(store.name, trained[FULL])), gradient)
    return replace(draft, uses=uses)


def _stores_with_gradient(graph: Graph, mode: str, sites: tuple[str, ...]) -> set[str]:
    """Stores that the loss depends on by a way that no `detach` cuts."""
    losses = [site for site in sites if graph.site(site).operation in LOSSES and not graph.flows_on(site, mode)]
    seen: set[str] = set()
    ahead = list(losses)
    stores: set[str] = set()
    while ahead:
        site = ahead.pop()
        if site in seen:
            continue
        seen.add(site)
        stores.update(graph.bindings(site, mode).values())
        if graph.site(site).operation != "detach":
            ahead.extend(port.site for port in graph.inputs(site, mode).values())
    return stores
