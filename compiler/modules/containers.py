"""Containers of a model's stores: a physical block, and what belongs to a stage rather than to a block."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .attention import Attention
from .mlp import Mlp
from .parameter import Vectors, empty


class Block(nn.Module):
    """The stores of one physical block; the model's forward says in which order they act.

    Slots of its own, each where asked for: residual_mix (2, d), attention_scale and mlp_scale (d,), value_scale (1,).
    """

    def __init__(
        self,
        dim: int,
        attention: Attention,
        mlp: Mlp,
        *,
        x0_mix: bool = True,
        branch_scale: bool = True,
        value_scale: bool = False,
    ) -> None:
        super().__init__()
        self.residual_mix = empty(2, dim) if x0_mix else None
        self.attention_scale = empty(dim) if branch_scale else None
        self.mlp_scale = empty(dim) if branch_scale else None
        self.value_scale = empty(1) if value_scale else None
        self.attention = attention
        self.mlp = mlp


class Stage(nn.Module):
    """The stores of one stage, by number: loop vectors (d,), skip weights (d,), value scales (1,)."""

    def __init__(
        self,
        dim: int,
        *,
        loop_vector: Sequence[int] = (),
        skip_weight: Sequence[int] = (),
        value_scale: Sequence[int] = (),
        loop_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.loop_vector = Vectors(loop_vector, dim, dtype=loop_dtype)
        self.skip_weight = Vectors(skip_weight, dim)
        self.value_scale = Vectors(value_scale, 1)
