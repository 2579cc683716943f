"""Declares every store and sublayer that a spec names, in the public order: embeddings, blocks, stages, head."""

from __future__ import annotations

from collections.abc import Iterable

from ..spec.architecture import Architecture, InputLayer
from ..spec.init import Init
from .builder import GraphBuilder
from .declare_block import declare_block, key_value_width
from .declare_stage import declare_stage
from .executions import Table
from .model import Store, YamlPath
from .parts import unused_parts
from .sublayer_source import dtype_argument


def declare_stores(builder: GraphBuilder, architecture: Architecture, table: Table) -> None:
    """Adds all stores, states and sublayers to the graph. Store order is the order of the plan and of the artifact."""
    _declare_inputs(builder, architecture)
    unused = unused_parts(table)
    for group, blocks in architecture.blocks.items():
        for index, block in enumerate(blocks):
            name = f"blocks.{group}.{index}"
            declare_block(builder, architecture, name, block, ("blocks", group), unused)
    for index, stage in enumerate(architecture.stages):
        declare_stage(builder, architecture, stage, table, ("graph", index))
    _declare_heads(builder, architecture)


def _declare_heads(builder: GraphBuilder, architecture: Architecture) -> None:
    model = architecture.model
    shape = (model.vocab_size, model.dim)
    if not model.embedding.tied:
        origin: YamlPath = ("model", "embedding", "tied")
        builder.store(Store("head.weight", shape, "head", model.embedding.head_init, origin=origin))
        builder.sublayer("head", f"Head({model.vocab_size}, {model.dim})")
    if model.multi_token is not None:
        for index in range(model.multi_token.heads):
            origin = ("model", "multi_token")
            builder.store(
                Store(
                    f"multi_token_head.{index}",
                    shape,
                    "matrices",
                    model.multi_token.init,
                    origin=origin,
                    exported=False,
                )
            )


def input_names(layers: Iterable[InputLayer]) -> list[str]:
    """Public names of the input layers: the kind (with the order of an n-gram), numbered from the second on."""
    names: list[str] = []
    for layer in layers:
        name = f"{layer.kind}_{layer.order}" if layer.kind == "ngram_hash" else layer.kind
        same = sum(1 for other in names if other == name or other.startswith(f"{name}__"))
        names.append(f"{name}__{same + 1}" if same else name)
    return names


def value_embedding_width(architecture: Architecture) -> int:
    """Key-value width of the blocks that use the value embedding (the rules make sure that they agree)."""
    users = [block for blocks in architecture.blocks.values() for block in blocks if block.value_embedding]
    users += [
        architecture.blocks[stage.blocks][block]
        for stage in architecture.stages
        if "value_embedding" in stage.place
        for step, block in enumerate(stage.path)
        if any(stage.place["value_embedding"].holds(step, loop) for loop in range(stage.loops))
    ]
    users = users or [blocks[0] for blocks in architecture.blocks.values()]
    return key_value_width(architecture, users[0])


def _declare_inputs(builder: GraphBuilder, architecture: Architecture) -> None:
    model = architecture.model
    shape = (model.vocab_size, model.dim)
    origin: YamlPath = ("model", "embedding")
    table = Store("token_embedding.weight", shape, "embeddings", model.embedding.init, model.embedding.dtype, origin)
    builder.store(table)
    builder.sublayer(
        "token_embedding", f"TokenEmbedding({model.vocab_size}, {model.dim}{dtype_argument(model.embedding.dtype)})"
    )
    for index, (name, layer) in enumerate(zip(input_names(model.input), model.input, strict=True)):
        _declare_input(builder, name, layer, model.dim, ("model", "input", index))
    value = model.value_embedding
    if value is not None:
        origin = ("model", "value_embedding")
        shape = (model.vocab_size, value.dim)
        table = Store("value_embedding.table", shape, "embeddings", value.table_init, value.dtype, origin)
        width = value_embedding_width(architecture)
        _declare_table(builder, "value_embedding", table, width, value.projection_init, value.scale)
        arguments = f"{model.vocab_size}, {value.dim}, {width}{dtype_argument(value.dtype)}"
        builder.sublayer("value_embedding", f"ValueEmbedding({arguments})")


def _declare_input(builder: GraphBuilder, name: str, layer: InputLayer, dim: int, origin: YamlPath) -> None:
    if layer.kind == "ngram_hash":
        assert layer.buckets and layer.dim and layer.table_init and layer.projection_init and layer.scale is not None
        shape = (layer.buckets, layer.dim)
        table = Store(f"{name}.table", shape, "embeddings", layer.table_init, layer.dtype, origin)
        _declare_table(builder, name, table, dim, layer.projection_init, layer.scale)
        sizes = f"order={layer.order}, buckets={layer.buckets}, width={layer.dim}, dim={dim}"
        builder.sublayer(name, f"NgramHash({sizes}{dtype_argument(layer.dtype)})")
    elif layer.kind == "smear_gate":
        assert layer.init is not None
        builder.store(Store(f"{name}.gate", (dim,), "scalars", layer.init, origin=origin, acts_at_zero=True))
        builder.sublayer(name, f"SmearGate({dim})")


def _declare_table(builder: GraphBuilder, name: str, table: Store, width: int, projection: Init, scale: float) -> None:
    """A narrow table, a projection where its width differs, and a multiplier."""
    builder.store(table)
    if table.shape[1] != width:
        builder.store(Store(f"{name}.projection", (width, table.shape[1]), "matrices", projection, origin=table.origin))
    builder.store(Store(f"{name}.scale", (), "scalars", Init("constant", value=scale), origin=table.origin))
