"""The output side: logits and the loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .parameter import empty


class Head(nn.Module):
    """An output head of its own. Slot: weight (V, d)."""

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__()
        self.weight = empty(vocab_size, dim)


def project_logits(x: Tensor, weight: Tensor, softcap: float | None = None) -> Tensor:
    """x (B, T, d) against weight (V, d) -> logits (B, T, V) in float32, bounded to +-softcap by tanh."""
    logits = F.linear(x, weight.to(x.dtype)).float()
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats; logits (B, T, V), targets (B, T) int64."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
