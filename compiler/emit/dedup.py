"""The dedup map: for every store the sites that read it, for every site the store in each slot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..graph.modes import TRAINING
from ..plan import Plan, PlannedStore

DEDUP_MAP_VERSION = 2


def dedup_map(plan: Plan) -> dict[str, Any]:
    """What the artifact stores once and where it is used, as JSON-able data.

    `stores` lists names in artifact order; a store with several sites is written once. `training_only` lists those that
    only the losses of training read: the artifact does not hold them. `sites` is the inverse of both.
    """
    sites: dict[str, dict[str, str]] = {}
    for mode in plan.modes.values():
        _add_bindings(plan, mode.name, mode.sites, sites)
        _add_bindings(plan, mode.name + TRAINING, mode.training_sites, sites)
    return {
        "version": DEDUP_MAP_VERSION,
        "spec": plan.spec.name,
        "stores": {store.name: _entry(plan, store) for store in plan.exported_stores},
        "training_only": {store.name: _entry(plan, store) for store in plan.stores if not store.exported},
        "sites": sites,
    }


def _entry(plan: Plan, store: PlannedStore) -> dict[str, Any]:
    return {
        "shape": list(store.shape),
        "elements": store.elements,
        "sites": list(plan.graph.readers(store.name)),
    }


def _add_bindings(plan: Plan, variant: str, among: Iterable[str], sites: dict[str, dict[str, str]]) -> None:
    for site in among:
        for slot, store in plan.graph.bindings(site, variant).items():
            known = sites.setdefault(site, {}).setdefault(slot, store)
            assert known == store, f"{site} binds {slot} to {known} and {store}"
