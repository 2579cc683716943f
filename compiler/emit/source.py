"""Emits the plan as Python source: one class, one straight-line method for each mode."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..graph.modes import TRAINING
from ..plan import Plan, PlannedMode
from .constructor import constructor_lines
from .method import method_lines
from .names import class_name, method_name, quoted, training_name

_CALLED = re.compile(r"(?<![\w.])([A-Za-z]\w*)\(")
_BUILT_IN = frozenset({"float", "len", "range", "super"})


def emit_source(plan: Plan) -> str:
    """Source of a module whose one class is the model; equal plans give equal text."""
    name = class_name(plan.spec.name)
    modes = list(plan.modes.values())
    constructor = constructor_lines(plan)
    methods = [line for mode in modes for line in ["", *_methods(plan, mode)]]
    entry = _entry(modes)
    used = _imports([*constructor, *methods, *entry])
    lines = [
        f'"""{name}, emitted by loopspec from the spec {plan.spec.name!r}.',
        "",
        f"{plan.parameters:,} parameters in {len(plan.stores)} stores; one that several positions share has one name.",
        "Comments give the position, the block that runs there, and what is special.",
        '"""',
        "",
        *(["import torch"] if any("torch." in line for line in constructor) else []),
        "from torch import Tensor, nn",
        "",
        "from loopspec.compiler.modules import (",
        *(f"    {used_name}," for used_name in used),
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
        *entry,
        *methods,
    ]
    return "\n".join(lines) + "\n"


def _methods(plan: Plan, mode: PlannedMode) -> list[str]:
    lines = method_lines(plan, mode.name, mode.sites)
    if mode.training_sites:
        lines += ["", *method_lines(plan, mode.name + TRAINING, mode.training_sites)]
    return lines


def _entry(modes: list[PlannedMode]) -> list[str]:
    """`forward`, the only way in; it selects the mode's method."""
    lines = [
        '    def forward(self, tokens: Tensor, targets: Tensor | None = None, mode: str = "full") -> Tensor:',
        '        """tokens (B, T) int64 -> logits (B, T, V), or the mean loss in nats where targets are given."""',
    ]
    for mode in modes:
        if mode.training_sites:  # losses that only training has
            lines += [
                f"        if self.training and targets is not None and mode == {quoted(mode.name)}:",
                f"            return self.{training_name(mode.name)}(tokens, targets)",
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


def _imports(lines: Sequence[str]) -> list[str]:
    """Functions and classes that the lines call, sorted as a linter would."""
    code = (line.partition("#")[0] for line in lines if '"""' not in line and not line.lstrip().startswith("def "))
    called = {name for line in code for name in _CALLED.findall(line)}
    return sorted(called - _BUILT_IN - {"ValueError"})
