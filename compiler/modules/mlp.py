"""MLPs: two matrices around an activation, and three with a gate (SwiGLU, arXiv 2002.05202)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .low_rank import add_delta, check_deltas
from .parameter import empty


def relu_squared(z: Tensor) -> Tensor:
    """max(z, 0)^2 (arXiv 2109.08668)."""
    return F.relu(z).square()


def leaky_relu_squared(z: Tensor, negative_slope: float) -> Tensor:
    """(z if z > 0 else slope * z)^2: the negative side becomes positive (parameter-golf PR 549)."""
    return F.leaky_relu(z, negative_slope).square()


ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "leaky_relu_squared": leaky_relu_squared,
    "relu_squared": relu_squared,
}
"""Activations of `Mlp` by the name a spec gives; one that has a parameter `negative_slope` is passed the spec's."""


def activation_function(name: str, negative_slope: float | None) -> Callable[[Tensor], Tensor]:
    """The elementwise function of an activation and its slope, which is given exactly where the function takes it."""
    function = ACTIVATIONS[name]
    takes_slope = "negative_slope" in inspect.signature(function).parameters
    assert takes_slope == (negative_slope is not None), f"{name}: negative_slope {negative_slope}"
    return partial(function, negative_slope=negative_slope) if takes_slope else function


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
        self.activation = activation_function(activation, negative_slope)
        self.up = empty(hidden, dim, dtype=dtype)
        self.down = empty(dim, hidden, dtype=dtype)

    def forward(self, x: Tensor, **deltas: Tensor) -> Tensor:
        """x (B, T, d), already normed. Returns (B, T, d).

        `deltas` are low-rank additions to the matrices: up_delta_down (r, d), up_delta_up (hidden, r), likewise down.
        """
        check_deltas(("up", "down"), deltas)
        hidden = self.activation(add_delta(F.linear(x, self.up.to(x.dtype)), x, "up", deltas))
        return add_delta(F.linear(hidden, self.down.to(hidden.dtype)), hidden, "down", deltas)


class GatedMlp(nn.Module):
    """Slots: gate and up (hidden, d), down (d, hidden)."""

    def __init__(self, dim: int, hidden: int, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.gate = empty(hidden, dim, dtype=dtype)
        self.up = empty(hidden, dim, dtype=dtype)
        self.down = empty(dim, hidden, dtype=dtype)

    def forward(self, x: Tensor, **deltas: Tensor) -> Tensor:
        """(silu(x gate^T) * (x up^T)) down^T for x (B, T, d), already normed. Returns (B, T, d).

        `deltas` are low-rank additions to the matrices: gate_delta_down (r, d), gate_delta_up (hidden, r), likewise
        up and down.
        """
        check_deltas(("gate", "up", "down"), deltas)
        gate = add_delta(F.linear(x, self.gate.to(x.dtype)), x, "gate", deltas)
        hidden = F.silu(gate) * add_delta(F.linear(x, self.up.to(x.dtype)), x, "up", deltas)
        return add_delta(F.linear(hidden, self.down.to(hidden.dtype)), hidden, "down", deltas)
