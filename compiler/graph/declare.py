"""Declares every store that a spec names, in the public order: embeddings, blocks, stages, head."""

from __future__ import annotations

from collections.abc import Iterable

from ..spec.architecture import Architecture, Block, Init, InputLayer, Stage
from .builder import GraphBuilder
from .executions import FULL, executions, mode_loops, skip_key, skip_pairs
from .model import Store, YamlPath

ONES = Init("constant", value=1.0)


def declare_stores(builder: GraphBuilder, architecture: Architecture) -> None:
    """Adds all stores to the graph. Their order is the order of the module's parameters and of the artifact."""
    _declare_inputs(builder, architecture)
    for group, blocks in architecture.blocks.items():
        for index, block in enumerate(blocks):
            _declare_block(builder, architecture, f"blocks.{group}.{index}", block, ("blocks", group))
    for index, stage in enumerate(architecture.stages):
        _declare_stage(builder, architecture, stage, ("graph", index))
    if not architecture.model.embedding.tied:
        model = architecture.model
        shape = (model.vocab_size, model.dim)
        builder.store(
            Store("head.weight", shape, "head", model.embedding.head_init, origin=("model", "embedding", "tied"))
        )


def input_names(layers: Iterable[InputLayer]) -> list[str]:
    """Public names of the input layers: the kind (with the order of an n-gram), numbered from the second on."""
    names: list[str] = []
    for layer in layers:
        name = f"{layer.kind}_{layer.order}" if layer.kind == "ngram_hash" else layer.kind
        same = sum(1 for other in names if other == name or other.startswith(f"{name}__"))
        names.append(f"{name}__{same + 1}" if same else name)
    return names


def key_value_width(architecture: Architecture, block: Block) -> int:
    """Width of a block's keys and of its values: kv_heads * dim / heads."""
    return block.attention.kv_heads * (architecture.model.dim // block.attention.heads)


def value_embedding_width(architecture: Architecture) -> int:
    """Key-value width of the blocks that use the value embedding (the rules make sure that they agree)."""
    users = [block for blocks in architecture.blocks.values() for block in blocks if block.value_embedding]
    users += [
        architecture.blocks[stage.blocks][stage.path[step]]
        for stage in architecture.stages
        for step in stage.value_embedding_at
    ]
    users = users or [blocks[0] for blocks in architecture.blocks.values()]
    return key_value_width(architecture, users[0])


def _declare_inputs(builder: GraphBuilder, architecture: Architecture) -> None:
    model = architecture.model
    shape = (model.vocab_size, model.dim)
    origin: YamlPath = ("model", "embedding")
    builder.store(
        Store("token_embedding.weight", shape, "embeddings", model.embedding.init, model.embedding.dtype, origin)
    )
    for index, (name, layer) in enumerate(zip(input_names(model.input), model.input, strict=True)):
        origin = ("model", "input", index)
        if layer.kind == "ngram_hash":
            assert (
                layer.buckets and layer.dim and layer.table_init and layer.projection_init and layer.scale is not None
            )
            table = Store(
                f"{name}.table", (layer.buckets, layer.dim), "embeddings", layer.table_init, layer.dtype, origin
            )
            _declare_table(builder, name, table, model.dim, layer.projection_init, layer.scale)
        elif layer.kind == "smear_gate":
            assert layer.init is not None
            builder.store(Store(f"{name}.gate", (model.dim,), "scalars", layer.init, origin=origin))
    value = model.value_embedding
    if value is not None:
        origin = ("model", "value_embedding")
        table = Store(
            "value_embedding.table", (model.vocab_size, value.dim), "embeddings", value.table_init, value.dtype, origin
        )
        width = value_embedding_width(architecture)
        _declare_table(builder, "value_embedding", table, width, value.projection_init, value.scale)


def _declare_table(builder: GraphBuilder, name: str, table: Store, width: int, projection: Init, scale: float) -> None:
    """A narrow table, a projection where its width differs, and a multiplier."""
    builder.store(table)
    if table.shape[1] != width:
        builder.store(Store(f"{name}.projection", (width, table.shape[1]), "matrices", projection, origin=table.origin))
    builder.store(Store(f"{name}.scale", (), "scalars", Init("constant", value=scale), origin=table.origin))


def _declare_block(
    builder: GraphBuilder, architecture: Architecture, name: str, block: Block, origin: YamlPath
) -> None:
    dim = architecture.model.dim
    width, hidden = key_value_width(architecture, block), block.mlp.width(dim)
    matrices, outputs = block.init.matrices, block.init.outputs

    def matrix(role: str, rows: int, columns: int, init: Init, part: str) -> None:
        builder.store(Store(f"{name}.{role}", (rows, columns), "matrices", init, block.dtype, (*origin, part)))

    def vector(role: str, shape: tuple[int, ...], init: Init, part: str) -> None:
        builder.store(Store(f"{name}.{role}", shape, "scalars", init, origin=(*origin, part)))

    if block.residual.x0_mix:
        vector("residual_mix", (2, dim), Init("identity_mix"), "residual")
    if block.residual.branch_scale:
        vector("attention_scale", (dim,), ONES, "residual")
        vector("mlp_scale", (dim,), ONES, "residual")
    if block.value_embedding:
        assert architecture.model.value_embedding is not None
        vector(
            "value_scale",
            (1,),
            Init("constant", value=architecture.model.value_embedding.position_scale),
            "value_embedding",
        )
    matrix("attention.query", dim, dim, matrices, "attention")
    matrix("attention.key", width, dim, matrices, "attention")
    matrix("attention.value", width, dim, matrices, "attention")
    matrix("attention.output", dim, dim, outputs, "attention")
    if block.attention.q_gain is not None:
        vector("attention.gain", (block.attention.heads,), Init("constant", value=block.attention.q_gain), "attention")
    matrix("mlp.up", hidden, dim, matrices, "mlp")
    matrix("mlp.down", dim, hidden, outputs, "mlp")


def _declare_stage(builder: GraphBuilder, architecture: Architecture, stage: Stage, origin: YamlPath) -> None:
    dim, name = architecture.model.dim, f"stages.{stage.name}"
    if stage.loop_vector is not None:
        family = tuple(f"{name}.loop_vector.{loop}" for loop in range(stage.loops))
        vector = stage.loop_vector
        for store in family:
            path = (*origin, "loop_vector")
            builder.store(Store(store, (dim,), "scalars", vector.init, vector.dtype, path, family))
    if stage.skips is not None:
        init = Init("constant", value=stage.skips.init)
        for key in skip_keys(architecture, stage):
            builder.store(Store(f"{name}.skip_weight.{key}", (dim,), "scalars", init, origin=(*origin, "skips")))
    for step in stage.value_embedding_at:
        assert architecture.model.value_embedding is not None
        init = Init("constant", value=architecture.model.value_embedding.position_scale)
        builder.store(
            Store(f"{name}.value_scale.{step}", (1,), "scalars", init, origin=(*origin, "place", "value_embedding"))
        )


def skip_keys(architecture: Architecture, stage: Stage) -> tuple[int, ...]:
    """Keys of the stage's skip weights, ascending."""
    runs = [run for run in executions(architecture, mode_loops(architecture)[FULL]) if run.stage is stage]
    pairs = skip_pairs(tuple(runs))
    return tuple(sorted({skip_key(run) for run in runs if run.index in pairs}))
