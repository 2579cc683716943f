"""How the firings of a shared stage, run from the same input, become one stream (parameter-golf PR 579).

f0 and f1 (B, T, d) are the first two firings, G the gate (d, 2d), s the scale, m a running average or a learned
vector (d,), k the consensus:

| rule | stream | what is written back |
|---|---|---|
| mean | mean_of(f0, f1, ...) | |
| gate between firings (Run 3) | k = gated_blend(f0, f1, G); blend_toward(f1, k, s) | |
| one firing alone (Run 3) | f0 | |
| running average (Run 6) | as Run 3 | m = update_average(k, m, 0.99) |
| one firing against m (Run 6, Run 8) | blend_toward(f0, gated_blend(f0, m, G), s) | |
| learned vector (Run 8) | k = gated_blend(f0, f1, G); blend_toward(f1, gated_blend(k, m, G), s) | |
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["blend_toward", "gated_blend", "mean_of", "update_average"]


def gated_blend(a: Tensor, b: Tensor, gate: Tensor) -> Tensor:
    """g * a + (1 - g) * b per token and channel, g = sigmoid([a; b] gate^T).

    a (B, T, d), gate (d, 2d); b like a, or one vector (d,) for all tokens.
    """
    other = b.to(a.dtype).expand_as(a)
    share = torch.sigmoid(F.linear(torch.cat((a, other), dim=-1), gate.to(a.dtype)))
    return share * a + (1 - share) * other


def blend_toward(x: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """x + scale * (target - x); x and target (B, T, d), scale ()."""
    return x + scale * (target - x)


def mean_of(*streams: Tensor) -> Tensor:
    """The mean of one or more tensors of one shape."""
    return sum(streams[1:], start=streams[0]) / len(streams)


@torch.no_grad()
def update_average(k: Tensor, average: Tensor, decay: float) -> Tensor:
    """decay * average + (1 - decay) * mean of k (B, T, d) over B and T, as a new tensor (d,) without gradient."""
    return decay * average + (1 - decay) * k.mean(dim=(0, 1)).to(average.dtype)
