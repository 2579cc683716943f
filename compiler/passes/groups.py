"""Pass `groups`: which modes read each store, and how many sites."""

from __future__ import annotations

from dataclasses import replace

from ..graph.executions import FULL
from .draft import Draft, StoreUse


def count_uses(draft: Draft) -> Draft:
    """Fills `uses`. Each store's optimizer group is part of its declaration, so it has exactly one."""
    assert draft.graph is not None
    graph = draft.graph
    uses = {}
    for store in graph.stores:
        readers = graph.readers(store.name)
        modes = tuple(mode for mode in draft.loops if any(mode in graph.nx.nodes[site]["modes"] for site in readers))
        uses[store.name] = StoreUse(modes, sum(FULL in graph.nx.nodes[site]["modes"] for site in readers))
    return replace(draft, uses=uses)
