"""Source of one mode's method: its sites in order, with comments that say where the forward pass is."""

from __future__ import annotations

from ..graph.model import Port, Site
from ..graph.modes import TRAINING, base_mode
from ..operations import OPERATIONS
from ..plan import Plan
from .expressions import Call, expression
from .names import method_name, quoted, training_name, value_names

_STEP = "    "
_LENGTH = 120


def method_lines(plan: Plan, variant: str, sites: tuple[str, ...]) -> list[str]:
    """Lines of the method of a mode, or of its training variant."""
    return _Method(plan, variant, sites).lines()


class _Method:
    def __init__(self, plan: Plan, variant: str, sites: tuple[str, ...]) -> None:
        self.plan, self.graph, self.variant, self.sites = plan, plan.graph, variant, sites
        self.training = variant.endswith(TRAINING)
        self.names = value_names(plan.graph, sites, variant)
        self.indent = _STEP * 2
        self.place = ""
        self.opened = False  # whether the last line opened a block

    def lines(self) -> list[str]:
        mode = base_mode(self.variant)
        count = len(self.plan.modes[mode].positions)
        name = training_name(mode) if self.training else method_name(mode)
        targets = ", targets: Tensor" if self.training else ""
        losses = ", and the losses of training" if self.training else ""
        lines = [
            f"    def {name}(self, tokens: Tensor{targets}) -> Tensor:",
            f'        """Mode {mode}: {count} block executions{losses}."""',
            *self._locals(),
        ]
        if any(self.graph.site(site).operation == "relative_change" for site in self.sites):
            lines.append(f"{self.indent}self.changes = []  # of the stream by each extra cycle, relative")
        for site_id in self.sites:
            lines += self._site(self.graph.site(site_id))
        return lines

    def _site(self, site: Site) -> list[str]:
        operation = OPERATIONS[site.operation]
        if operation.source or (site.id == "output/loss" and not self.training):
            return []
        lines = []
        here = self._where(site)
        if here != self.place:
            lines += [*([] if self.opened else [""]), f"{self.indent}# {here}"]
            self.place = here
        self.opened = False
        for line in self._statement(site):
            lines += _wrapped(line)
        if site.operation == "settle":
            self.indent = _STEP * 2
        return lines

    def _statement(self, site: Site) -> list[str]:
        """The line that computes the site's outputs, or what it does instead."""
        operation = OPERATIONS[site.operation]
        inputs = {target: self.names[port] for target, port in self.graph.inputs(site.id, self.variant).items()}
        bindings, states = self.graph.bindings(site.id, self.variant), self.graph.touched(site.id, self.variant)
        value = expression(Call(site, inputs, bindings, states))
        last = not self.graph.flows_on(site.id, self.variant) and not operation.writes
        if site.operation == "relative_change":
            return self._change(site, value, inputs["x"])
        if last or (site.id == "output/head" and not self.training):
            return [f"{self.indent}return {value}"]
        if not operation.outputs:
            guard = [f"{self.indent}if self.training:"] if operation.training else []
            return [*guard, f"{self.indent}{_STEP if guard else ''}{value}"]
        results = ", ".join(self.names[Port(site.id, output)] for output in operation.outputs)
        return [] if results == value else [f"{self.indent}{results} = {value}"]

    def _change(self, site: Site, value: str, stream: str) -> list[str]:
        """Reports how much an extra cycle changed the stream; the next one runs only while it is enough."""
        lines = [f"{self.indent}self.changes.append({value})"]
        if not site.attribute("last"):
            later = self.sites[self.sites.index(site.id) :]
            settle = next(other for other in later if self.graph.site(other).operation == "settle")
            settled = self.names[Port(settle)]
            if settled != stream:  # what the stream is if no later cycle runs
                lines.append(f"{self.indent}{settled} = {stream}")
            lines.append(f"{self.indent}if self.changes[-1].item() >= {site.attribute('stop_below')!r}:")
            self.indent += _STEP
            self.opened = True
        return lines

    def _locals(self) -> list[str]:
        """Short names for the groups and stages whose stores and states the mode touches."""
        used: set[tuple[str, str]] = set()
        for site in self.sites:
            module = self.graph.site(site).module
            stores = [
                *self.graph.bindings(site, self.variant).values(),
                *self.graph.touched(site, self.variant).values(),
            ]
            paths = [path.split(".") for path in (*stores, *([module] if module else []))]
            used |= {(path[0], path[1]) for path in paths if path[0] in ("blocks", "stages")}
        architecture = self.plan.spec.architecture
        lines = [
            f"        {group}_blocks = self.blocks[{quoted(group)}]"
            for group in architecture.blocks
            if ("blocks", group) in used
        ]
        names = [stage.name for stage in architecture.stages if ("stages", stage.name) in used]
        return lines + [f"        {name}_stage = self.stages[{quoted(name)}]" for name in names]

    def _where(self, site: Site) -> str:
        if site.position is None:
            where = site.id.split("/")
            return ", ".join([where[0], *(where[1].replace(".", " ") for _ in where[2:])])
        position = self.plan.positions[site.position]
        loop = f", loop {position.loop}" if position.loop or self._loops(position.stage) else ""
        extra = [feature for feature in position.features if feature not in ("x0_mix", "loop_vector")]
        noted = f" ({', '.join(extra)})" if extra else ""
        return f"position {position.index}: {position.stage}{loop}, block {position.block}{noted}"

    def _loops(self, stage: str) -> bool:
        return any(item.name == stage and item.loops > 1 for item in self.plan.spec.architecture.stages)


def _wrapped(line: str) -> list[str]:
    """A call that is too long for one line, with each of its arguments on its own."""
    if len(line) <= _LENGTH or not line.endswith(")"):
        return [line]
    opening, arguments, depth = line.index("("), [""], 0
    for character in line[opening + 1 : -1]:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            arguments.append("")
        else:
            arguments[-1] += character
    indent = line[: len(line) - len(line.lstrip())]
    inner = [f"{indent}{_STEP}{argument.strip()}," for argument in arguments]
    return [line[: opening + 1], *inner, f"{indent})"]
