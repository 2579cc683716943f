"""Pass `modes`: the execution order of each mode's sites, and of the variants that training runs."""

from __future__ import annotations

from dataclasses import replace

from ..graph.modes import TRAINING
from .draft import Draft


def order_modes(draft: Draft) -> Draft:
    """Fills `order` and `variants`."""
    assert draft.graph is not None
    graph = draft.graph
    order = {mode: graph.mode_sites(mode) for mode in draft.modes}
    variants = {mode: graph.mode_sites(mode + TRAINING) for mode in draft.modes}
    return replace(draft, order=order, variants={mode: sites for mode, sites in variants.items() if sites})
