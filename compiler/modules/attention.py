"""Causal grouped-query attention (arXiv 2305.13245) with query-key norm, a learned query gain and partial RoPE."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..constants import FLOAT32_EPS
from .attention_kernel import causal_attention
from .exclusive import exclude_own_value
from .low_rank import add_delta, check_deltas, low_rank
from .norm import rms_norm
from .parameter import empty
from .rotary import Rotary, apply_rotary


class Attention(nn.Module):
    """Slots: query (d, d), key and value (Hk * h, d), output (d, d), gain (H,) where `gain`; h = d / H.

    With `query_rank` r, query_down (r, d) and query_up (d, r) take the place of query. A `differential` module
    (after arXiv 2410.05258; parameter-golf PR 857) has 2H query heads over the same keys and values, so query (2d, d)
    or query_up (2d, r), gain (2H,), and a slot mix (H, d).
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        kv_heads: int,
        *,
        qk_norm_eps: float | None = FLOAT32_EPS,
        gain: bool = True,
        query_rank: int | None = None,
        differential: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        width = kv_heads * (dim // heads)
        copies = 2 if differential else 1
        self.query_heads, self.kv_heads, self.qk_norm_eps = copies * heads, kv_heads, qk_norm_eps
        if query_rank is None:
            self.query: nn.Parameter | None = empty(copies * dim, dim, dtype=dtype)
        else:
            self.query = None
            self.query_down = empty(query_rank, dim, dtype=dtype)
            self.query_up = empty(copies * dim, query_rank, dtype=dtype)
        self.key = empty(width, dim, dtype=dtype)
        self.value = empty(width, dim, dtype=dtype)
        self.output = empty(dim, dim, dtype=dtype)
        self.gain = empty(copies * heads) if gain else None
        self.mix = empty(heads, dim) if differential else None

    def forward(
        self,
        x: Tensor,
        rotary: Rotary | None = None,
        values: Tensor | None = None,
        *,
        exclusive: bool = False,
        return_values: bool = False,
        gain: Tensor | None = None,
        mask: Tensor | None = None,
        **deltas: Tensor,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """x (B, T, d), already normed -> (B, T, d), and with `return_values` also the values (B, T, Hk * h).

        `values` (B, T, Hk * h) are added to the value vectors; those returned include them. `gain` takes the place of
        the module's own. `mask` (B, 1, T, T) is added to the scores, and is causal. `deltas` are low-rank additions to
        the matrices, each a pair such as query_delta_down (r, d) and query_delta_up (d, r); likewise key, value and
        output. `exclusive`: see exclusive.py.
        """
        check_deltas(("query", "key", "value", "output"), deltas)
        batch, length, _ = x.shape
        q = add_delta(self._queries(x), x, "query", deltas).view(batch, length, self.query_heads, -1)
        k = add_delta(F.linear(x, self.key.to(x.dtype)), x, "key", deltas).view(batch, length, self.kv_heads, -1)
        v = add_delta(F.linear(x, self.value.to(x.dtype)), x, "value", deltas)  # (B, T, Hk * h)
        if values is not None:
            v = v + values
        q, k = self._positioned(q, k, rotary, self.gain if gain is None else gain)
        heads = v.view(batch, length, self.kv_heads, -1).to(q.dtype)
        y = causal_attention(q, k, heads, mask)  # (B, T, H, h)
        if self.mix is not None:
            y = differ(y, F.linear(x, self.mix.to(x.dtype)))
        if exclusive:
            y = exclude_own_value(y, heads)
        y = y.reshape(batch, length, -1)
        out = add_delta(F.linear(y, self.output.to(y.dtype)), y, "output", deltas)
        return (out, v) if return_values else out

    def _queries(self, x: Tensor) -> Tensor:
        if self.query is None:
            return low_rank(x, self.query_down, self.query_up)
        return F.linear(x, self.query.to(x.dtype))

    def _positioned(self, q: Tensor, k: Tensor, rotary: Rotary | None, gain: Tensor | None) -> tuple[Tensor, Tensor]:
        """q (B, T, H, h) and k (B, T, Hk, h) normed, then rotated, and q times its head's gain (H,)."""
        if self.qk_norm_eps is not None:
            q, k = rms_norm(q, eps=self.qk_norm_eps), rms_norm(k, eps=self.qk_norm_eps)
        if rotary is not None:
            q, k = apply_rotary(q, rotary), apply_rotary(k, rotary)
        return (q if gain is None else q * gain[:, None].to(q.dtype)), k


def differ(y: Tensor, mix: Tensor) -> Tensor:
    """Of each pair of heads of y (B, T, 2H, h), even - sigmoid(mix) * odd, mix (B, T, H); returns (B, T, H, h)."""
    share = torch.sigmoid(mix).to(y.dtype)
    return y[:, :, 0::2] - share[..., None] * y[:, :, 1::2]
