"""Declares the stores of a physical block, or of one part of it that a position has for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..spec.architecture import Architecture, Block
from ..spec.init import Dtype, Init
from .builder import GraphBuilder
from .model import Group, Store, YamlPath
from .sublayer_source import attention_source, mlp_source

ONES = Init("constant", value=1.0)


def key_value_width(architecture: Architecture, block: Block) -> int:
    """Width of a block's keys and of its values: kv_heads * dim / heads."""
    return block.attention.kv_heads * (architecture.model.dim // block.attention.heads)


@dataclass(frozen=True, slots=True)
class PartDeclaration:
    """What is needed to declare one part of a block at a path."""

    builder: GraphBuilder
    architecture: Architecture
    block: Block
    path: str
    origin: YamlPath

    def store(
        self,
        slot: str,
        shape: tuple[int, ...],
        init: Init,
        group: Group = "scalars",
        dtype: Dtype = "float32",
        *,
        acts_at_zero: bool = False,
    ) -> None:
        """A store at the path itself (empty slot) or below it."""
        name = f"{self.path}.{slot}" if slot else self.path
        self.builder.store(Store(name, shape, group, init, dtype, self.origin, acts_at_zero=acts_at_zero))

    def matrix(self, slot: str, rows: int, columns: int, init: Init, *, acts_at_zero: bool = False) -> None:
        """A matrix of the block's dtype."""
        self.store(slot, (rows, columns), init, "matrices", self.block.dtype, acts_at_zero=acts_at_zero)


def declare_block(
    builder: GraphBuilder,
    architecture: Architecture,
    name: str,
    block: Block,
    origin: YamlPath,
    unused: set[str],
) -> None:
    """Every part that the block has and that is not in `unused`, the paths of parts that are private everywhere."""
    for part, section in BLOCK_PARTS.items():
        path = f"{name}.{part}"
        if path not in unused and has_part(block, part):
            shared_gain = f"{path}.gain" not in unused
            declaration = PartDeclaration(builder, architecture, block, path, (*origin, section))
            if part == "attention":
                declare_attention(declaration, shared_gain)
            else:
                DECLARATIONS[part](declaration)


def has_part(block: Block, part: str) -> bool:
    """Whether a block has the part at all."""
    residual = block.residual
    present = {
        "residual_mix": residual.x0_mix,
        "attention_scale": residual.branch_scale,
        "mlp_scale": residual.branch_scale,
        "value_scale": block.value_embedding,
        "recurrence_gate": residual.arrangement.kind == "bounded",
        "token_gate": residual.token_gate,
        "gain": block.attention.q_gain is not None,
    }
    return present.get(part, True)


def declare_attention(part: PartDeclaration, gain: bool = True) -> None:
    """Query (whole or in two factors), key, value, output, the heads' gain, and the mix of differential heads."""
    block, dim = part.block, part.architecture.model.dim
    attention = block.attention
    width, query = key_value_width(part.architecture, block), dim * (2 if attention.differential else 1)
    gain = gain and attention.q_gain is not None
    if attention.query_rank is None:
        part.matrix("query", query, dim, block.init.matrices, acts_at_zero=True)
    else:
        part.matrix("query_down", attention.query_rank, dim, block.init.matrices, acts_at_zero=True)
        part.matrix("query_up", query, attention.query_rank, block.init.matrices, acts_at_zero=True)
    part.matrix("key", width, dim, block.init.matrices, acts_at_zero=True)
    part.matrix("value", width, dim, block.init.matrices)
    part.matrix("output", dim, dim, block.init.outputs)
    if gain:
        declare_gain(part, "gain")
    if attention.differential:
        part.store("mix", (attention.heads, dim), Init("zero"), "matrices", acts_at_zero=True)
    part.builder.sublayer(part.path, attention_source(part.architecture, block, gain))


def declare_gain(part: PartDeclaration, slot: str = "") -> None:
    """A multiplier for each query head."""
    attention = part.block.attention
    heads = attention.heads * (2 if attention.differential else 1)
    part.store(slot, (heads,), Init("constant", value=attention.q_gain), acts_at_zero=True)


def _declare_mlp(part: PartDeclaration) -> None:
    dim = part.architecture.model.dim
    mlp, init = part.block.mlp, part.block.init
    if mlp.activation == "swiglu":
        part.matrix("gate", mlp.width(dim), dim, init.matrices)
    part.matrix("up", mlp.width(dim), dim, init.matrices)
    part.matrix("down", dim, mlp.width(dim), init.outputs)
    part.builder.sublayer(part.path, mlp_source(part.architecture, part.block))


def _declare_value_scale(part: PartDeclaration) -> None:
    value = part.architecture.model.value_embedding
    assert value is not None
    part.store("", (1,), Init("constant", value=value.position_scale))


def _declare_token_gate(part: PartDeclaration) -> None:
    part.store("weight", (part.architecture.model.dim,), Init("zero"), acts_at_zero=True)
    part.store("bias", (), Init("constant", value=2.0), acts_at_zero=True)


DECLARATIONS: dict[str, Callable[[PartDeclaration], None]] = {
    "residual_mix": lambda part: part.store("", (2, part.architecture.model.dim), Init("identity_mix")),
    "attention_scale": lambda part: part.store("", (part.architecture.model.dim,), ONES),
    "mlp_scale": lambda part: part.store("", (part.architecture.model.dim,), ONES),
    "value_scale": _declare_value_scale,
    "recurrence_gate": lambda part: part.store(
        "", (4,), Init("vector", values=part.block.residual.arrangement.gate), acts_at_zero=True
    ),
    "token_gate": _declare_token_gate,
    "attention": declare_attention,
    "gain": declare_gain,
    "mlp": _declare_mlp,
}
"""How a part is declared at its path: below its block, or below a stage where it is private."""

BLOCK_PARTS = {
    "residual_mix": "residual",
    "attention_scale": "residual",
    "mlp_scale": "residual",
    "value_scale": "value_embedding",
    "recurrence_gate": "residual",
    "token_gate": "residual",
    "attention": "attention",
    "mlp": "mlp",
}
"""Parts of a block in their public order, and the section of the group that causes each."""
