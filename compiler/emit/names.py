"""Names in the emitted source: expressions for stores and modules, and one readable variable for each value."""

from __future__ import annotations

import builtins
import json
import keyword
import re
from collections.abc import Mapping, Sequence

from ..graph.model import Graph, Port
from ..operations import OPERATIONS

# classes that the emitted source may import
SUBLAYERS = (
    "Attention",
    "GatedMlp",
    "Head",
    "Mlp",
    "Named",
    "NgramHash",
    "Numbered",
    "Part",
    "SkipTrace",
    "SmearGate",
    "TokenEmbedding",
    "ValueEmbedding",
    "Vectors",
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


def training_name(mode: str) -> str:
    """The method of a mode's training variant."""
    return f"_training_{mode}"


def quoted(text: str) -> str:
    """A Python string literal in double quotes."""
    return json.dumps(text)


def stored_expression(path: str) -> str:
    """A store or sublayer by its public name: `blocks.core.3.attention` -> `core_blocks[3].attention`.

    What belongs to a stage is `trunk_stage.loop_vector[0]`; all else hangs on self.
    """
    parts = path.split(".")
    local = {"blocks": "_blocks", "stages": "_stage"}.get(parts[0])
    text, rest = (f"{parts[1]}{local}", parts[2:]) if local else ("self", parts)
    return text + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in rest)


def value_names(graph: Graph, order: Sequence[str], mode: str) -> dict[Port, str]:
    """Variable of each output: its operation's usual name, or one of its own where that would be overwritten.

    A value keeps the usual name only if no other value of that name is born before its last use; skip sources and x0
    outlive many others and get names of their own.
    """
    index = {site: number for number, site in enumerate(order)}
    last = _last_uses(graph, mode, index)
    names: dict[Port, str] = {}
    taken: set[str] = set()
    for site_id in order:
        operation = OPERATIONS[graph.site(site_id).operation]
        rivals = (
            other
            for other in order[index[site_id] + 1 : last.get(Port(site_id), index[site_id])]
            if OPERATIONS[graph.site(other).operation].variable == operation.variable
        )
        name = operation.variable
        if any(True for _ in rivals):
            name = _unused(_own_name(graph, site_id, name), taken)
            taken.add(name)
        names[Port(site_id)] = name
        for output in operation.outputs[1:]:
            names[Port(site_id, output)] = _unused(f"first_{output}", taken)
            taken.add(names[Port(site_id, output)])
    return names


def _unused(name: str, taken: set[str]) -> str:
    """The name, numbered where another value has it already."""
    candidates = (name, *(f"{name}_{number}" for number in range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate not in taken)


def _last_uses(graph: Graph, mode: str, index: Mapping[str, int]) -> dict[Port, int]:
    last: dict[Port, int] = {}
    for site in index:
        for port in graph.inputs(site, mode).values():
            last[port] = max(last.get(port, 0), index[site])
    return last


def _own_name(graph: Graph, site_id: str, usual: str) -> str:
    site = graph.site(site_id)
    if site.operation == "rotary_table":
        return f"rotary_{site_id.rpartition('.')[2]}"
    if site.position is not None:
        return f"{usual}_after_{site.position}" if usual in ("x", "lane") else f"{usual}_{site.position}"
    place = site_id.rpartition("/")[0]
    if place == "input":
        return "x0"  # of the input side only the last value outlives others
    return f"{usual}_{re.sub(r'[^a-zA-Z0-9]', '_', place)}"  # `trunk/loop.0/vector` -> `x_trunk_loop_0`
