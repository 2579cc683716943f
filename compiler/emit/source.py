"""Emits the plan as Python source: one class, one straight-line method for each mode."""

from __future__ import annotations

from ..graph.model import Port, Site
from ..graph.operations import OPERATIONS
from ..plan import Plan, PlannedMode
from .constructor import constructor_lines
from .expressions import Call, expression
from .names import class_name, method_name, quoted, value_names

_SOURCES = ("tokens", "targets")
_LAST = "cross_entropy"


def emit_source(plan: Plan) -> str:
    """Source of a module whose one class is the model; equal plans give equal text."""
    name = class_name(plan.spec.name)
    modes = list(plan.modes.values())
    constructor = constructor_lines(plan)
    lines = [
        f'"""{name}, emitted by loopspec from the spec {plan.spec.name!r}.',
        "",
        f"{plan.parameters:,} parameters in {len(plan.stores)} stores; one that several positions share has one name.",
        "Comments give the position in mode full, the block that runs, and what is special there.",
        '"""',
        "",
        *(["import torch"] if any("torch." in line for line in constructor) else []),
        "from torch import Tensor, nn",
        "",
        "from loopspec.compiler.modules import (",
        *(f"    {used}," for used in _imports(plan)),
        ")",
        "",
        "",
        f"class {name}(nn.Module):",
        f'    """Modes: {", ".join(plan.modes)}."""',
        "",
        f"    modes = ({', '.join(quoted(mode) for mode in plan.modes)}{',' if len(modes) == 1 else ''})",
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *(f"        {line}" for line in constructor),
        "",
        *_entry(modes),
    ]
    for mode in modes:
        lines += ["", *_mode_lines(plan, mode)]
    return "\n".join(lines) + "\n"


def _entry(modes: list[PlannedMode]) -> list[str]:
    """`forward`, the only way in; it selects the mode's method."""
    lines = [
        '    def forward(self, tokens: Tensor, targets: Tensor | None = None, mode: str = "full") -> Tensor:',
        '        """tokens (B, T) int64 -> logits (B, T, V), or the mean loss in nats where targets are given."""',
    ]
    for index, mode in enumerate(modes):
        lines += [
            f"        {'if' if index == 0 else 'elif'} mode == {quoted(mode.name)}:",
            f"            logits = self.{method_name(mode.name)}(tokens)",
        ]
    return [
        *lines,
        "        else:",
        '            raise ValueError(f"mode {mode!r} is not one of {self.modes}")',
        "        return logits if targets is None else cross_entropy(logits, targets)",
    ]


def _mode_lines(plan: Plan, mode: PlannedMode) -> list[str]:
    names = value_names(plan, mode.name)
    lines = [
        f"    def {method_name(mode.name)}(self, tokens: Tensor) -> Tensor:",
        f'        """Mode {mode.name}: {len(mode.positions)} block executions."""',
        *_locals(plan, mode),
    ]
    place = ""
    for site_id in mode.sites:
        site = plan.graph.site(site_id)
        if site.operation in _SOURCES or site.operation == _LAST:
            continue
        here = _place(plan, site)
        if here != place:
            lines += ["", f"        # {here}"]
            place = here
        inputs = {target: names[port] for target, port in plan.graph.inputs(site_id, mode.name).items()}
        value = expression(Call(site, inputs, plan.graph.bindings(site_id, mode.name)))
        results = ", ".join(names[Port(site_id, output)] for output in OPERATIONS[site.operation].outputs)
        lines.append(f"        return {value}" if site.operation == "head" else f"        {results} = {value}")
    return lines


def _locals(plan: Plan, mode: PlannedMode) -> list[str]:
    """Short names for the groups and stages whose stores the mode reads."""
    read = {
        store.split(".")[:2][-1]: store.split(".")[0]
        for store in _stores_read(plan, mode)
        if store.startswith("blocks.")
    }
    lines = [
        f"        {group}_blocks = self.blocks[{quoted(group)}]"
        for group in plan.spec.architecture.blocks
        if group in read
    ]
    stages = {store.split(".")[1] for store in _stores_read(plan, mode) if store.startswith("stages.")}
    names = [stage.name for stage in plan.spec.architecture.stages if stage.name in stages]
    return lines + [f"        {name}_stage = self.stages[{quoted(name)}]" for name in names]


def _stores_read(plan: Plan, mode: PlannedMode) -> list[str]:
    return [store for site in mode.sites for store in plan.graph.bindings(site, mode.name).values()]


def _place(plan: Plan, site: Site) -> str:
    if site.position is None:
        where = site.id.split("/")
        return " ".join([where[0], *(where[1].split(".") if len(where) == 3 else ())])
    position = plan.positions[site.position]
    loop = f", loop {position.loop}" if position.loop or _loops(plan, position.stage) else ""
    extra = [feature for feature in position.features if feature not in ("x0_mix", "loop_vector")]
    return f"position {position.index}: {position.stage}{loop}, block {position.block}" + (
        f" ({', '.join(extra)})" if extra else ""
    )


def _loops(plan: Plan, stage: str) -> bool:
    return any(item.name == stage and item.loops > 1 for item in plan.spec.architecture.stages)


def _imports(plan: Plan) -> list[str]:
    """Names that the source uses, sorted as a linter would."""
    model = plan.spec.architecture.model
    kinds = {layer.kind for layer in model.input}
    used = {
        "Attention",
        "Block",
        "Mlp",
        "Named",
        "Stage",
        "TokenEmbedding",
        "cross_entropy",
        "project_logits",
        "rms_norm",
    }
    optional = {
        "NgramHash": "ngram_hash" in kinds,
        "SmearGate": "smear_gate" in kinds,
        "ValueEmbedding": model.value_embedding is not None,
        "Head": not model.embedding.tied,
        "residual_mix": any(
            block.residual.x0_mix for group in plan.spec.architecture.blocks.values() for block in group
        ),
        "rotary_table": any(
            block.attention.rope for group in plan.spec.architecture.blocks.values() for block in group
        ),
    }
    return sorted(used | {name for name, needed in optional.items() if needed})
