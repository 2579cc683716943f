"""Which features act in a mode, and what stands in for their sites when one of them is taken away."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ...compiler.emit.interpret import StandIn
from ...compiler.graph.model import Port, Site
from ...compiler.plan import Plan

BRANCHES = {"residual_add": "x", "residual_sum": "x", "bounded_update": "x", "write_lane": "lane"}
"""Operations that write a block's branches to the stream, and the port of the stream without them."""

BY_OPERATION = {
    "add_skip": ("skip", "x"),
    "gated_skip": ("gated_skip", "x"),
    "residual_mix": ("x0_mix", "x"),
    "smear_gate": ("smear_gate", "x"),
    "token_gate": ("token_gate", "end"),
    "blend_toward": ("firing gate", "x"),
    "add_values": ("value_residual", "values"),
}
BY_ROLE = {
    "position_vector": ("position_vector", "x"),
    "vector": ("loop_vector", "x"),
    "between": ("between", "x"),
    "attention_add_2": ("attention_twice", "x"),
    "mlp_add_2": ("mlp_twice", "x"),
}
"""Features by the operation, or by the last part of the id, of a site that passes an input on without them."""

ALL_BLOCKS, LATER_LOOPS, LATER_FIRINGS = "all blocks", "loops after the first", "firings after the first"
WITHOUT_STORES = frozenset({ALL_BLOCKS, LATER_LOOPS, LATER_FIRINGS, "xsa", "attention_twice", "mlp_twice"})
"""Features that have no stores of their own: the stores of their sites work without them, too."""

_SCALED_VALUES = {"value_scale": "value_embedding", "value_residual": "value_residual"}
_LOOP = re.compile(r"/loop\.(\d+)/")


@dataclass(slots=True)
class Removal:
    """A mode without one feature.

    Attributes:
        stand_ins: what `interpret` takes in place of the feature's sites.
        zeroed: site and slot of stores that are read as zeros.
        sites: the sites that belong to the feature.
    """

    feature: str
    stage: str | None
    mode: str
    stand_ins: dict[str, StandIn] = field(default_factory=dict)
    zeroed: set[tuple[str, str]] = field(default_factory=set)
    sites: list[Site] = field(default_factory=list)
    positions: set[int] = field(default_factory=set)

    def stores(self, plan: Plan) -> tuple[str, ...]:
        """The stores that belong to the feature: those that its sites bind, or the ones read as zeros."""
        names = {
            name: None
            for site in self.sites
            for slot, name in plan.graph.bindings(site.id, self.mode).items()
            if not self.zeroed or (site.id, slot) in self.zeroed
        }
        return tuple(names)


def removals(plan: Plan, mode: str) -> list[Removal]:
    """Every feature that acts in a mode, in the order in which they first act; stages and their later loops last."""
    return _Finder(plan, mode).find()


class _Finder:
    def __init__(self, plan: Plan, mode: str) -> None:
        self._plan, self._graph, self._mode = plan, plan.graph, mode
        self._positions = {position.index: position for position in plan.positions}
        self._stages = [stage.name for stage in plan.spec.architecture.stages]
        self._sites = [plan.graph.site(site) for site in plan.modes[mode].sites]
        self._found: dict[tuple[str, str | None], Removal] = {}

    def find(self) -> list[Removal]:
        for site in self._sites:
            self._passed_on(site)
            self._values(site)
            self._exclusive(site)
            self._deltas(site)
        for stage in self._plan.spec.architecture.stages:
            self._branches(stage.name)
            if stage.firing.kind == "parallel":
                self._later_firings(stage.name)
            else:
                self._later_loops(stage.name)
        return list(self._found.values())

    def _removal(self, feature: str, stage: str | None, site: Site) -> Removal:
        removal = self._found.setdefault((feature, stage), Removal(feature, stage, self._mode))
        removal.sites.append(site)
        position = site.position
        if position is None and feature == "loop_vector":
            position = self._reader_position(site)
        if position is not None:
            removal.positions.add(position)
        return removal

    def _reader_position(self, site: Site) -> int | None:
        """The position whose block reads what a site outside of blocks gives."""
        for other in self._sites:
            if any(port.site == site.id for port in self._graph.inputs(other.id, self._mode).values()):
                return other.position
        return None

    def _port(self, site: Site, port: str) -> Port:
        return self._graph.inputs(site.id, self._mode)[port]

    def _stage(self, site: Site) -> str | None:
        if site.position is not None:
            return self._positions[site.position].stage
        owner = site.id.partition("/")[0]
        return next((name for name in (owner, owner.rpartition(".")[0]) if name in self._stages), None)

    def _passed_on(self, site: Site) -> None:
        found = BY_OPERATION.get(site.operation) or BY_ROLE.get(_role(site))
        if site.operation == "ngram_hash":
            found = (_role(site), "x")
        if found is not None:
            feature, port = found
            self._removal(feature, self._stage(site), site).stand_ins[site.id] = self._port(site, port)

    def _values(self, site: Site) -> None:
        feature = _SCALED_VALUES.get(_role(site)) if site.operation == "scale_values" else None
        if feature is not None:
            self._removal(feature, self._stage(site), site).zeroed.add((site.id, "scale"))

    def _exclusive(self, site: Site) -> None:
        if site.attribute("exclusive"):
            attributes = tuple((name, value) for name, value in site.attributes if name != "exclusive")
            removal = self._removal("xsa", self._stage(site), site)
            removal.stand_ins[site.id] = replace(site, attributes=attributes)

    def _deltas(self, site: Site) -> None:
        slots = [slot for slot in self._graph.bindings(site.id, self._mode) if slot.endswith("_delta_up")]
        if slots:
            self._removal("delta", self._stage(site), site).zeroed.update((site.id, slot) for slot in slots)

    def _branches(self, stage: str) -> None:
        for site in self._sites:
            if site.position is None or self._stage(site) != stage:
                continue
            removal = self._removal(ALL_BLOCKS, stage, site)
            if site.operation in BRANCHES:
                removal.stand_ins[site.id] = self._port(site, BRANCHES[site.operation])

    def _later_loops(self, stage: str) -> None:
        """Loops after the first pass the stream on."""
        for site in self._sites:
            if self._stage(site) != stage or not self._is_later(site):
                continue
            found = BY_OPERATION.get(site.operation) or BY_ROLE.get(_role(site))
            port = BRANCHES.get(site.operation) or (found and found[1])
            removal = self._removal(LATER_LOOPS, stage, site)
            if port and site.operation != "add_values":
                removal.stand_ins[site.id] = self._port(site, port)

    def _is_later(self, site: Site) -> bool:
        if site.position is not None:
            return self._positions[site.position].loop > 0
        loop = _LOOP.search(site.id)
        return _role(site) == "between" or (loop is not None and int(loop[1]) > 0 and _role(site) == "vector")

    def _later_firings(self, stage: str) -> None:
        """Firings after the first give what the first gives."""
        combines = [site for site in self._sites if "/combine/" in site.id and self._stage(site) == stage]
        ports = {port: None for site in combines for port in self._graph.inputs(site.id, self._mode).values()}
        own = {site.id for site in combines}
        ends = {port.site: port for port in ports if port.site not in own}
        ordered = [ends[site.id] for site in self._sites if site.id in ends]
        for port in ordered[1:]:
            removal = self._removal(LATER_FIRINGS, stage, self._graph.site(port.site))
            removal.stand_ins[port.site] = ordered[0]
        if len(ordered) > 1:
            running = (self._positions[index] for index in self._plan.modes[self._mode].positions)
            removal.positions = {item.index for item in running if item.stage == stage and item.loop > 0}


def _role(site: Site) -> str:
    return site.id.rpartition("/")[2]
