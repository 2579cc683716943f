"""What many positions read: x0, rotary tables, the mask of documents, the value embedding. Once for each mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..spec.architecture import Architecture, Block, Rope
from .builder import GraphBuilder, make_site
from .executions import Event, block_of, dropped, uses_value_embedding
from .model import Port, YamlPath

RotaryKey = tuple[tuple[str, Any], ...]  # the constants of a rotary table


@dataclass(frozen=True, slots=True)
class SharedInputs:
    """Ports of the values that positions share.

    `values` is None where no position uses the value embedding, `mask` where documents are not kept apart.
    """

    x0: Port
    rotary: dict[RotaryKey, Port]
    values: Port | None
    mask: Port | None = None


def build_shared_inputs(
    builder: GraphBuilder,
    architecture: Architecture,
    x0: Port,
    tokens: Port,
    starts: Port | None,
    program: tuple[Event, ...],
) -> SharedInputs:
    """Adds the tables that the executions of a mode's program read; `starts` marks where documents begin."""
    attending = [(event.run, event.path) for event in program if event.run and not dropped(event.run, "attention")]
    groups = _groups_of_tables(architecture)
    names = list(groups)
    rotary: dict[RotaryKey, Port] = {}
    for run, _ in attending:
        key = rotary_key(architecture, block_of(architecture, run))
        if key is not None and key not in rotary:
            origin: YamlPath = ("blocks", groups[key], "attention", "rope")
            site = make_site(f"input/rotary.{names.index(key)}", "rotary_table", origin=origin, **dict(key))
            rotary[key] = builder.site(site, {"tokens": tokens})
    values = None
    if any(
        uses_value_embedding(architecture, run) and "value_embedding" not in path.without for run, path in attending
    ):
        origin = ("model", "value_embedding")
        site = make_site("input/value_embedding", "value_embedding", module="value_embedding", origin=origin)
        values = builder.site(
            site, {"tokens": tokens}, builder.slots("value_embedding", "table", "projection", "scale")
        )
    mask = None
    if starts is not None and attending:
        site = make_site("input/document_mask", "document_mask", origin=("model", "documents"))
        mask = builder.site(site, {"starts": starts})
    return SharedInputs(x0, rotary, values, mask)


def rotary_key(architecture: Architecture, block: Block) -> RotaryKey | None:
    """The constants of the block's rotary table, without those at their defaults' None."""
    rope = block.attention.rope
    return None if rope is None else _constants(rope, architecture.model.dim // block.attention.heads)


def _constants(rope: Rope, head: int) -> RotaryKey:
    constants: dict[str, Any] = {
        "base": rope.base,
        "dims": rope.dims or head,
        "direction": rope.direction,
        "dtype": rope.dtype,
        "ntk_reference": rope.ntk_reference,
    }
    if rope.ntk_exponent == "head":
        constants["ntk_exponent"] = head
    return tuple(sorted(constants.items()))


def _groups_of_tables(architecture: Architecture) -> dict[RotaryKey, str]:
    """Distinct tables over all blocks, each with the first group that has it: names and origins hold in every mode."""
    groups: dict[RotaryKey, str] = {}
    for name, group in architecture.blocks.items():
        for block in group:
            key = rotary_key(architecture, block)
            if key is not None:
                groups.setdefault(key, name)
    return groups
