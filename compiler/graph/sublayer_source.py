"""Source of a sublayer's construction: `Attention(640, 10, 5)`. Only what differs from a default is named."""

from __future__ import annotations

import json

from ..constants import FLOAT32_EPS
from ..spec.architecture import Architecture, Block
from ..spec.init import Dtype


def dtype_argument(dtype: Dtype) -> str:
    """`, dtype=torch.bfloat16`, nothing for float32."""
    return "" if dtype == "float32" else f", dtype=torch.{dtype}"


def attention_source(architecture: Architecture, block: Block, gain: bool) -> str:
    """The attention of a block; `gain` tells whether it holds one of its own."""
    attention, eps = block.attention, architecture.model.norm_eps
    arguments = f"{architecture.model.dim}, {attention.heads}, {attention.kv_heads}"
    arguments += "" if gain else ", gain=False"
    arguments += "" if attention.query_rank is None else f", query_rank={attention.query_rank}"
    arguments += ", differential=True" if attention.differential else ""
    qk_norm_eps = eps if attention.qk_norm else None
    arguments += "" if qk_norm_eps == FLOAT32_EPS else f", qk_norm_eps={qk_norm_eps!r}"
    return f"Attention({arguments}{dtype_argument(block.dtype)})"


def mlp_source(architecture: Architecture, block: Block) -> str:
    """The MLP of a block."""
    mlp, dim = block.mlp, architecture.model.dim
    if mlp.activation == "swiglu":
        return f"GatedMlp({dim}, {mlp.width(dim)}{dtype_argument(block.dtype)})"
    slope = "" if mlp.negative_slope is None else f", negative_slope={mlp.negative_slope!r}"
    return f"Mlp({dim}, {mlp.width(dim)}, {json.dumps(mlp.activation)}{slope}{dtype_argument(block.dtype)})"
