"""Which stores of one plan were read where a store of another plan is read: what a warm start copies from.

Block executions of two plans correspond where they are at the same place: the same stage, the same loop, the same step
of its path. So the blocks there may have other numbers, be tied in one plan and not in the other, or
have parts of their own. Other sites correspond by id. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...compiler.graph.executions import Table
from ...compiler.graph.model import Site
from ...compiler.graph.modes import FULL, TRAINING, resolve_modes
from ...compiler.plan import Plan

Place = tuple[str, int, int, int | None]
"""Stage, how often it was entered before, loop, and step of the path."""


@dataclass(frozen=True, slots=True)
class Source:
    """A store of the source plan, and the position at which it was read (None: at none)."""

    store: str
    position: int | None


def store_sources(plan: Plan, source: Plan) -> dict[str, tuple[Source, ...]]:
    """For every store of `plan` what the sites of `source` read at its places, one for each place, in their order.

    Read are mode full and its losses of training. Empty for a store whose places the source has not.
    """
    found: dict[str, dict[Source, None]] = {store.name: {} for store in plan.stores}
    known = {key: (site, variant) for key, site, variant in _keyed_sites(source)}
    for key, site, variant in _keyed_sites(plan):
        if key not in known:
            continue
        other, other_variant = known[key]
        bound = source.graph.bindings(other.id, other_variant)
        for slot, store in plan.graph.bindings(site.id, variant).items():
            if slot in bound:
                found[store].setdefault(Source(bound[slot], other.position))
    return {name: tuple(sources) for name, sources in found.items()}


def _keyed_sites(plan: Plan) -> Iterator[tuple[tuple[Place | None, str], Site, str]]:
    """Every site of mode full and of its training variant, under what identifies it in other plans, too."""
    places, mode = _places(plan), plan.modes[FULL]
    seen: set[str] = set()
    for variant, sites in ((FULL, mode.sites), (FULL + TRAINING, mode.training_sites)):
        for name in sites:
            if name in seen:
                continue
            seen.add(name)
            site = plan.graph.site(name)
            place = None if site.position is None else places[site.position]
            role = site.id if place is None else site.id.rpartition("/")[2]
            yield (place, role), site, variant


def _places(plan: Plan) -> dict[int, Place]:
    architecture = plan.spec.architecture
    runs = Table(architecture, resolve_modes(architecture)).runs(FULL)
    return {run.index: (run.stage.name, run.entry, run.loop, run.step) for run in runs}
