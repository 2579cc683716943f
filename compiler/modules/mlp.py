"""Two-matrix MLP with squared rectifiers (relu^2: arXiv 2109.08668; leaky: parameter-golf PR 549)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .parameter import empty


def relu_squared(z: Tensor) -> Tensor:
    """max(z, 0)^2."""
    return F.relu(z).square()


def leaky_relu_squared(z: Tensor, negative_slope: float) -> Tensor:
    """(z if z > 0 else slope * z)^2: the negative side becomes positive."""
    return F.leaky_relu(z, negative_slope).square()


class Mlp(nn.Module):
    """Slots: up (hidden, d), down (d, hidden)."""

    def __init__(
        self,
        dim: int,
        hidden: int,
        activation: str = "relu_squared",
        *,
        negative_slope: float | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if activation == "leaky_relu_squared":
            assert negative_slope is not None
            self.activation: Callable[[Tensor], Tensor] = partial(leaky_relu_squared, negative_slope=negative_slope)
        else:
            assert activation == "relu_squared", activation
            self.activation = relu_squared
        self.up = empty(hidden, dim, dtype=dtype)
        self.down = empty(dim, hidden, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, d), already normed. Returns (B, T, d)."""
        hidden = self.activation(F.linear(x, self.up.to(x.dtype)))
        return F.linear(hidden, self.down.to(hidden.dtype))
