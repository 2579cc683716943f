"""Source of `__init__`: one line for each input layer, group of blocks and stage, in the plan's store order."""

from __future__ import annotations

from itertools import groupby

from ..constants import FLOAT32_EPS
from ..graph.declare import input_names, key_value_width, skip_keys, value_embedding_width
from ..plan import Plan
from ..spec.architecture import Architecture, Block, InputLayer, Stage
from .names import quoted


def constructor_lines(plan: Plan) -> list[str]:
    """Lines of the body of `__init__`, without indentation."""
    architecture = plan.spec.architecture
    model = architecture.model
    dtype = _dtype(model.embedding.dtype)
    lines = [f"self.token_embedding = TokenEmbedding({model.vocab_size}, {model.dim}{dtype})"]
    for name, layer in zip(input_names(model.input), model.input, strict=True):
        lines.extend(_input_layer(name, layer, model.dim))
    if model.value_embedding is not None:
        value, width = model.value_embedding, value_embedding_width(architecture)
        arguments = f"{model.vocab_size}, {value.dim}, {width}{_dtype(value.dtype)}"
        lines.append(f"self.value_embedding = ValueEmbedding({arguments})")
    lines.append("self.blocks = Named({")
    for group, blocks in architecture.blocks.items():
        lines.extend(f"    {line}" for line in _group(architecture, group, blocks))
    lines += ["})", "self.stages = Named({"]
    lines.extend(f"    {quoted(stage.name)}: {_stage(architecture, stage)}," for stage in architecture.stages)
    lines.append("})")
    if not model.embedding.tied:
        lines.append(f"self.head = Head({model.vocab_size}, {model.dim})")
    return lines


def _dtype(dtype: str, name: str = "dtype") -> str:
    return "" if dtype == "float32" else f", {name}=torch.{dtype}"


def _input_layer(name: str, layer: InputLayer, dim: int) -> list[str]:
    if layer.kind == "ngram_hash":
        arguments = f"order={layer.order}, buckets={layer.buckets}, width={layer.dim}, dim={dim}{_dtype(layer.dtype)}"
        return [f"self.{name} = NgramHash({arguments})"]
    return [f"self.{name} = SmearGate({dim})"] if layer.kind == "smear_gate" else []


def _group(architecture: Architecture, group: str, blocks: tuple[Block, ...]) -> list[str]:
    """Runs of blocks with equal stores become one comprehension."""
    lines = [f"{quoted(group)}: nn.ModuleList(["]
    for source, run in groupby(_block(architecture, block) for block in blocks):
        count = len(list(run))
        if count == 1:
            lines.append(f"    {source},")
        else:
            lines += ["    *(", f"        {source}", f"        for _ in range({count})", "    ),"]
    return [*lines, "]),"]


def _block(architecture: Architecture, block: Block) -> str:
    dim, eps = architecture.model.dim, architecture.model.norm_eps
    assert key_value_width(architecture, block) % block.attention.kv_heads == 0
    attention = f"{dim}, {block.attention.heads}, {block.attention.kv_heads}"
    attention += "" if block.attention.qk_norm else ", qk_norm=False"
    attention += ", gain=False" if block.attention.q_gain is None else ""
    attention += "" if eps == FLOAT32_EPS else f", eps={eps!r}"
    mlp = f"{dim}, {block.mlp.width(dim)}, {quoted(block.mlp.activation)}"
    mlp += "" if block.mlp.negative_slope is None else f", negative_slope={block.mlp.negative_slope!r}"
    dtype = _dtype(block.dtype)
    options = "" if block.residual.x0_mix else ", x0_mix=False"
    options += "" if block.residual.branch_scale else ", branch_scale=False"
    options += ", value_scale=True" if block.value_embedding else ""
    return f"Block({dim}, Attention({attention}{dtype}), Mlp({mlp}{dtype}){options})"


def _stage(architecture: Architecture, stage: Stage) -> str:
    arguments = [str(architecture.model.dim)]
    if stage.loop_vector is not None:
        arguments.append(f"loop_vector=range({stage.loops}){_dtype(stage.loop_vector.dtype, 'loop_dtype')}")
    keys = skip_keys(architecture, stage)
    if keys:
        arguments.append(f"skip_weight={list(keys)}")
    if stage.value_embedding_at:
        arguments.append(f"value_scale={list(stage.value_embedding_at)}")
    return f"Stage({', '.join(arguments)})"
