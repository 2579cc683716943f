"""Names in the emitted source: expressions for stores and modules, and one readable variable for each value."""

from __future__ import annotations

import builtins
import json
import keyword
import re
from collections.abc import Mapping

from ..graph.model import Graph, Port
from ..graph.operations import OPERATIONS
from ..plan import Plan

# classes that the emitted source may import
SUBLAYERS = (
    "Attention",
    "Block",
    "Head",
    "Mlp",
    "Named",
    "NgramHash",
    "SmearGate",
    "Stage",
    "TokenEmbedding",
    "ValueEmbedding",
)


def class_name(spec_name: str) -> str:
    """CamelCase of a spec's name: `frugendorff-6x2` -> `Frugendorff6x2`; names that the source needs get a suffix."""
    camel = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^a-zA-Z0-9]+", spec_name))
    if not camel[:1].isalpha():
        return f"Model{camel}"
    taken = camel in (*SUBLAYERS, "Tensor") or keyword.iskeyword(camel) or hasattr(builtins, camel)
    return f"{camel}Model" if taken else camel


def method_name(mode: str) -> str:
    """The method of a mode; `_parameters`, `_apply` and the like are torch's."""
    return f"_mode_{mode}"


def quoted(text: str) -> str:
    """A Python string literal in double quotes."""
    return json.dumps(text)


def stored_expression(path: str) -> str:
    """A store or sublayer by its public name: `blocks.core.3.attention` -> `core_blocks[3].attention`.

    What belongs to a stage is `trunk_stage.loop_vector[0]`; all else hangs on self.
    """
    parts = path.split(".")
    if parts[0] == "blocks":
        return ".".join([f"{parts[1]}_blocks[{parts[2]}]", *parts[3:]])
    if parts[0] == "stages":
        assert len(parts) == 4, path
        return f"{parts[1]}_stage.{parts[2]}[{parts[3]}]"
    return f"self.{path}"


def value_names(plan: Plan, mode: str) -> dict[Port, str]:
    """Variable of each output: its operation's usual name, or one of its own where that would be overwritten.

    A value keeps the usual name only if no other value of that name is born before its last use; skip sources and x0
    outlive many others and get names of their own.
    """
    order = plan.modes[mode].sites
    index = {site: number for number, site in enumerate(order)}
    last = _last_uses(plan.graph, mode, index)
    names: dict[Port, str] = {}
    for site_id in order:
        operation = OPERATIONS[plan.graph.site(site_id).operation]
        rivals = (
            other
            for other in order[index[site_id] + 1 : last.get(site_id, index[site_id])]
            if OPERATIONS[plan.graph.site(other).operation].variable == operation.variable
        )
        name = _own_name(plan, site_id, operation.variable) if any(True for _ in rivals) else operation.variable
        for output in operation.outputs:
            names[Port(site_id, output)] = name if len(operation.outputs) == 1 else f"{name}_{output}"
    return names


def _last_uses(graph: Graph, mode: str, index: Mapping[str, int]) -> dict[str, int]:
    last: dict[str, int] = {}
    for site in index:
        for port in graph.inputs(site, mode).values():
            last[port.site] = max(last.get(port.site, 0), index[site])
    return last


def _own_name(plan: Plan, site_id: str, usual: str) -> str:
    site = plan.graph.site(site_id)
    if site.operation == "rotary_table":
        return f"rotary_{site_id.rpartition('.')[2]}"
    if usual in ("x", "h") and site.position is None and site_id.startswith("input/"):
        return "x0"  # of the input side only the last value outlives others
    if usual != "x":
        return f"{usual}_{plan.modes['full'].sites.index(site_id)}"
    return f"x_after_{site.position}"
