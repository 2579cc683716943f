"""Bounded recurrence (parameter-golf PR 167): shares of stream, x0 and branches that sum to at most one."""

from __future__ import annotations

import torch
from torch import Tensor


def bounded_update(x: Tensor, x0: Tensor, attention: Tensor, mlp: Tensor, gate: Tensor, *, tau: float) -> Tensor:
    """c0 x + c1 x0 + tau (c2 attention + c3 mlp) with c = softmax(gate); gate (4,), all else (B, T, d)."""
    shares = torch.softmax(gate, dim=0).to(x.dtype)
    return shares[0] * x + shares[1] * x0 + tau * (shares[2] * attention + shares[3] * mlp)
