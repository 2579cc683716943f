"""Source of one mode's method: its sites in order, with comments that say where the forward pass is."""

from __future__ import annotations

from itertools import groupby

from ..graph.model import Port, Site
from ..graph.modes import TRAINING, base_mode
from ..graph.regions import Region
from ..operations import OPERATIONS
from ..plan import Plan
from .expressions import Call, expression
from .names import method_name, quoted, training_name, value_names

_STEP = "    "
_LENGTH = 120
_USUAL = ("x0_mix", "loop_vector", "within_document")
"""Features that no comment names: most positions have them, and the next lines show them."""


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
        for position, run in groupby(self.sites, key=self._checkpointed):
            sites = tuple(run)
            if position is not None:
                lines += self._region(Region(self.graph, self.variant, position, sites))
                continue
            for site_id in sites:
                lines += self._site(self.graph.site(site_id))
        return lines

    def _checkpointed(self, site_id: str) -> int | None:
        """The position of a site that the backward pass computes again."""
        position = self.graph.site(site_id).position
        return position if position in self.plan.checkpointed_positions else None

    def _region(self, region: Region) -> list[str]:
        """A position as a function of its inputs, and its call through `checkpoint_activations`."""
        lines = self._heading(self.graph.site(region.sites[0]))
        function, outer = f"position_{region.position}", self.indent
        inputs = {self.names[port]: self._annotation(port) for port in region.inputs}
        outputs = [self.names[port] for port in region.outputs]
        parameters = ", ".join(f"{name}: {annotation}" for name, annotation in inputs.items())
        result = "Tensor" if len(outputs) == 1 else f"tuple[{', '.join('Tensor' for _ in outputs)}]"
        lines += _wrapped(f"{outer}def {function}({parameters})", f" -> {result}:")
        self.indent += _STEP
        for site_id in region.sites:
            lines += self._site(self.graph.site(site_id))
        lines += [f"{self.indent}return {', '.join(outputs)}", ""]
        self.indent = outer
        call = f"checkpoint_activations({', '.join([function, *inputs])})"
        return [*lines, *_wrapped(f"{self.indent}{', '.join(outputs)} = {call}")]

    def _annotation(self, port: Port) -> str:
        return "tuple[Tensor, Tensor]" if self.graph.site(port.site).operation == "rotary_table" else "Tensor"

    def _site(self, site: Site) -> list[str]:
        operation = OPERATIONS[site.operation]
        if operation.source or (site.id == "output/loss" and not self.training):
            return []
        lines = self._heading(site)
        for line in self._statement(site):
            lines += _wrapped(line)
        if site.operation == "settle":
            self.indent = _STEP * 2
        return lines

    def _heading(self, site: Site) -> list[str]:
        """A comment where the place in the forward pass is another than that of the last line."""
        here, opened = self._where(site), self.opened
        self.opened = False
        if here == self.place:
            return []
        self.place = here
        return [*([] if opened else [""]), f"{self.indent}# {here}"]

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
        extra = [feature for feature in position.features if feature not in _USUAL]
        noted = f" ({', '.join(extra)})" if extra else ""
        return f"position {position.index}: {position.stage}{loop}, block {position.block}{noted}"

    def _loops(self, stage: str) -> bool:
        return any(item.name == stage and item.loops > 1 for item in self.plan.spec.architecture.stages)


def _wrapped(line: str, end: str = "") -> list[str]:
    """A call (and what ends it) that is too long for one line, with each of its arguments on its own."""
    if len(line + end) <= _LENGTH or not line.endswith(")"):
        return [line + end]
    opening, arguments, depth = line.index("("), [""], 0
    for character in line[opening + 1 : -1]:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            arguments.append("")
        else:
            arguments[-1] += character
    indent = line[: len(line) - len(line.lstrip())]
    inner = [f"{indent}{_STEP}{argument.strip()}," for argument in arguments]
    return [line[: opening + 1], *inner, f"{indent}){end}"]
