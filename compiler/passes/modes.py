"""Pass `modes`: the execution order of each mode's sites."""

from __future__ import annotations

from dataclasses import replace

from .draft import Draft


def order_modes(draft: Draft) -> Draft:
    """Fills `order`."""
    assert draft.graph is not None
    return replace(draft, order={mode: draft.graph.mode_sites(mode) for mode in draft.loops})
