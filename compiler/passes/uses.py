"""Pass `uses`: which modes read each store, and how many sites."""

from __future__ import annotations

from dataclasses import replace

from ..graph.executions import FULL
from .draft import Draft, StoreUse


def count_uses(draft: Draft) -> Draft:
    """Fills `uses`. A store's optimizer group is part of its declaration, so that it has exactly one."""
    assert draft.graph is not None
    graph = draft.graph
    uses = {}
    for store in graph.stores:
        modes = tuple(mode for mode in draft.loops if graph.readers(store.name, mode))
        uses[store.name] = StoreUse(modes, len(graph.readers(store.name, FULL)))
    return replace(draft, uses=uses)
