"""Pass `bind`: declares the stores, adds the sites of every mode, and binds each site to its stores."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx

from ..graph.builder import GraphBuilder
from ..graph.declare import declare_stores
from ..graph.unroll import ModeUnroller
from .draft import Draft


def bind(draft: Draft) -> Draft:
    """Fills `graph`."""
    assert draft.table is not None
    builder = GraphBuilder()
    declare_stores(builder, draft.spec.architecture, draft.table)
    unroller = ModeUnroller(builder, draft.spec.architecture, draft.table)
    for mode in draft.modes:
        unroller.unroll(mode)
    nx.freeze(builder.graph.nx)  # from here on passes annotate; a pass that changes the graph must build a new one
    return replace(draft, graph=builder.graph)
