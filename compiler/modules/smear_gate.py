"""SmearGate (parameter-golf PR 65): blends each token's stream with the previous token's, per channel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .parameter import empty


class SmearGate(nn.Module):
    """Slot: gate (d,), before the sigmoid; at 0 half of the previous token is mixed in."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gate = empty(dim)

    def forward(self, x: Tensor, starts: Tensor | None = None) -> Tensor:
        """x (B, T, d): (1 - g) x_t + g x_(t-1), with zero before the first token.

        `starts` (B, T) bool: tokens that begin a document, before which there is zero too.
        """
        gate = torch.sigmoid(self.gate).to(x.dtype)
        previous = F.pad(x[:, :-1], (0, 0, 1, 0))
        if starts is not None:
            previous = previous.masked_fill(starts[..., None], 0.0)
        return (1 - gate) * x + gate * previous
