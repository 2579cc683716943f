"""The dedup map: for every store the sites that read it, for every site the store in each slot."""

from __future__ import annotations

from typing import Any

from ..plan import Plan

DEDUP_MAP_VERSION = 1


def dedup_map(plan: Plan) -> dict[str, Any]:
    """What the artifact stores once and where it is used, as JSON-able data.

    `stores` lists names in artifact order; a store with several sites is written once. `sites` is its inverse.
    """
    stores = {
        store.name: {
            "shape": list(store.shape),
            "elements": store.elements,
            "sites": list(plan.graph.readers(store.name)),
        }
        for store in plan.stores
    }
    sites: dict[str, dict[str, str]] = {}
    for mode in plan.modes.values():
        for site in mode.sites:
            bound = plan.graph.bindings(site)
            if bound:
                sites[site] = bound
    return {"version": DEDUP_MAP_VERSION, "spec": plan.spec.name, "stores": stores, "sites": sites}
