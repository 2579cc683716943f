"""Where the stream enters and leaves each position of a mode, as ports of the plan's graph."""

from __future__ import annotations

from dataclasses import dataclass

from ...compiler.graph.model import Port, Site
from ...compiler.plan import Plan

WRITES = ("residual_add", "residual_sum")
LANES = ("attention_lane", "mlp_lane")


@dataclass(frozen=True, slots=True)
class Ends:
    """Ports of the stream before and after a position: one each, or two where attention and MLP have lanes.

    Of two lanes the stream is their mean, which is what leaves the loop. A position that does nothing has none.
    """

    entering: tuple[Port, ...]
    leaving: tuple[Port, ...]


def stream_ends(plan: Plan, mode: str) -> dict[int, Ends]:
    """The ends of every position of a mode, by position.

    What enters is what the block there is given: after skips, loop vectors and position vectors, which belong to the
    place and not to the block, and before the block's own mix with x0. (The carry of a bounded block goes without its
    position vector, and is what enters.) What leaves is what the block gives, its token gate included.
    """
    sites: dict[int, list[Site]] = {index: [] for index in plan.modes[mode].positions}
    for name in plan.modes[mode].sites:
        site = plan.graph.site(name)
        if site.position is not None:
            sites[site.position].append(site)
    return {index: _Position(plan, mode, found).ends() for index, found in sites.items()}


class _Position:
    def __init__(self, plan: Plan, mode: str, sites: list[Site]) -> None:
        self._plan, self._mode = plan, mode
        self._by_role = {site.id.rpartition("/")[2]: site for site in sites}
        self._writes = [site for site in sites if site.operation in WRITES]

    def ends(self) -> Ends:
        if LANES[0] in self._by_role:
            lanes = tuple(self._by_role[lane] for lane in LANES)
            return Ends(tuple(self._before_mix(self._input(lane, "lane")) for lane in lanes), _outputs(*lanes))
        update, gate = self._by_role.get("bounded_update"), self._by_role.get("token_gate")
        if update is not None:
            return Ends((self._input(update, "x"),), _outputs(update))
        mix = self._by_role.get("residual_mix")
        first = mix or next(iter(self._writes), None)
        if first is None:  # without mix, attention and MLP; a gate on nothing passes it on
            return Ends((), ())
        last = gate or (self._writes[-1] if self._writes else first)
        return Ends((self._input(first, "x"),), _outputs(last))

    def _input(self, site: Site, port: str) -> Port:
        return self._plan.graph.inputs(site.id, self._mode)[port]

    def _before_mix(self, port: Port) -> Port:
        """The lane before this position mixed it with x0."""
        site = self._plan.graph.site(port.site)
        own = site.operation == "residual_mix" and site in self._by_role.values()
        return self._input(site, "x") if own else port


def _outputs(*sites: Site) -> tuple[Port, ...]:
    return tuple(Port(site.id) for site in sites)
