"""Causal grouped-query attention (arXiv 2305.13245) with query-key norm, a learned query gain and partial RoPE."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..constants import FLOAT32_EPS
from .attention_kernel import causal_attention
from .exclusive import exclude_own_value
from .norm import rms_norm
from .parameter import empty
from .rotary import Rotary, apply_rotary


class Attention(nn.Module):
    """Slots: query (d, d), key and value (Hk * h, d), output (d, d), gain (H,) where `gain`; h = d / H."""

    def __init__(
        self,
        dim: int,
        heads: int,
        kv_heads: int,
        *,
        qk_norm: bool = True,
        gain: bool = True,
        eps: float = FLOAT32_EPS,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        width = kv_heads * (dim // heads)
        self.heads, self.kv_heads, self.qk_norm, self.eps = heads, kv_heads, qk_norm, eps
        self.query = empty(dim, dim, dtype=dtype)
        self.key = empty(width, dim, dtype=dtype)
        self.value = empty(width, dim, dtype=dtype)
        self.output = empty(dim, dim, dtype=dtype)
        self.gain = empty(heads) if gain else None

    def forward(
        self, x: Tensor, rotary: Rotary | None = None, values: Tensor | None = None, exclusive: bool = False
    ) -> Tensor:
        """x (B, T, d), already normed; `values` (B, T, Hk * h) are added to the value vectors. Returns (B, T, d)."""
        batch, length, _ = x.shape
        q = F.linear(x, self.query.to(x.dtype)).view(batch, length, self.heads, -1)  # (B, T, H, h)
        k = F.linear(x, self.key.to(x.dtype)).view(batch, length, self.kv_heads, -1)  # (B, T, Hk, h)
        v = F.linear(x, self.value.to(x.dtype))  # (B, T, Hk * h)
        if values is not None:
            v = v + values
        v = v.view(batch, length, self.kv_heads, -1)
        if self.qk_norm:
            q, k = rms_norm(q, eps=self.eps), rms_norm(k, eps=self.eps)
        if rotary is not None:
            q, k = apply_rotary(q, rotary), apply_rotary(k, rotary)
        if self.gain is not None:
            q = q * self.gain[:, None].to(q.dtype)
        v = v.to(q.dtype)
        y = causal_attention(q, k, v)  # (B, T, H, h)
        if exclusive:
            y = exclude_own_value(y, v)
        return F.linear(y.reshape(batch, length, -1), self.output.to(y.dtype))
