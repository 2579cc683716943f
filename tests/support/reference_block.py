"""One block of the reference systems in plain torch: what a block of ours must compute, written from their description.

Shapes: B rows, T tokens, width d, H query heads and K key-value heads of width h = d / H.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

FLOAT_EPS = 1.1920928955078125e-07


class Stores(dict[str, Tensor]):
    """Weights by store name; remembers which were read."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__(weights)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        self.read.add(name)
        return super().__getitem__(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What all blocks of a group have in common; `rope_dims` None rotates whole heads, `slope` is the leaky one."""

    dim: int
    heads: int
    kv_heads: int
    hidden: int
    rope_dims: int | None = None
    ntk_reference: int | None = None
    ntk_of_head: bool = False
    forward: bool = False
    eps: float = FLOAT_EPS
    slope: float = 0.0
    query_rank: int | None = None
    swiglu: bool = False
    token_gate: bool = False

    @property
    def width(self) -> int:
        return self.dim // self.heads


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One run of a block: its norm scale s, flags, further values, and the stores that replace the block's own."""

    scale: float = 1.0
    xsa: bool = False
    differential: bool = False
    values: Tensor | None = None
    residual_values: Tensor | None = None
    own: Mapping[str, str] = field(default_factory=dict)


def rms(x: Tensor, eps: float) -> Tensor:
    """RMS norm without weight over the last dimension."""
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt()


def block(w: Stores, name: str, x: Tensor, x0: Tensor, shape: Shape, call: Call) -> tuple[Tensor, Tensor]:
    """The stream after the block, and its attention values with their value embedding (B, T, K h)."""

    def part(slot: str) -> Tensor:
        return w[call.own.get(slot, f"{name}.{slot}")]

    mix = part("residual_mix")
    a = mix[0] * x + mix[1] * x0
    normed = call.scale * rms(a, shape.eps)
    v = block_values(w, name, normed, call)
    b = a + part("attention_scale") * attention(w, name, normed, v, shape, call)
    c = b + part("mlp_scale") * mlp(w, name, call.scale * rms(b, shape.eps), shape)
    if shape.token_gate:
        gate = torch.sigmoid(a.detach() @ w[f"{name}.token_gate.weight"] + w[f"{name}.token_gate.bias"])
        c = a + gate[..., None] * (c - a)
    return c, v


def bounded_block(w: Stores, name: str, x: Tensor, x0: Tensor, vector: Tensor, gate: Tensor, shape: Shape) -> Tensor:
    """Bounded recurrence: x is carried, x + vector is read; tau is 0.9."""
    entered = x + vector
    normed = rms(entered, shape.eps)
    call = Call()
    read = attention(w, name, normed, block_values(w, name, normed, call), shape, call)
    written = mlp(w, name, rms(entered + read, shape.eps), shape)
    c = torch.softmax(gate, 0)
    return c[0] * x + c[1] * x0 + 0.9 * (c[2] * read + c[3] * written)


def block_values(w: Stores, name: str, x: Tensor, call: Call) -> Tensor:
    v = x @ w[f"{name}.attention.value"].T
    if call.values is not None:
        scale = w[call.own.get("value_scale", f"{name}.value_scale")]
        v = v + call.values * scale
    return v


def attention(w: Stores, name: str, x: Tensor, v: Tensor, shape: Shape, call: Call) -> Tensor:
    """Causal attention of the input x (B, T, d) with values v (B, T, K h)."""
    rows, length, _ = x.shape
    heads = shape.heads * (2 if call.differential else 1)
    if shape.query_rank is not None:
        q = x @ w[f"{name}.attention.query_down"].T @ w[f"{name}.attention.query_up"].T
    else:
        q = x @ w[f"{name}.attention.query"].T
    k = x @ w[f"{name}.attention.key"].T
    if call.residual_values is not None:
        v = v + call.residual_values
    q = rotate(rms(q.view(rows, length, heads, shape.width), shape.eps), shape)
    k = rotate(rms(k.view(rows, length, shape.kv_heads, shape.width), shape.eps), shape)
    v = v.view(rows, length, shape.kv_heads, shape.width)
    q = q * w[f"{name}.attention.gain"][:, None]
    y = causal(q, k, v)
    if call.differential:
        share = torch.sigmoid(x @ w[f"{name}.attention.mix"].T)
        y = y[:, :, 0::2] - share[..., None] * y[:, :, 1::2]
    if call.xsa:
        u = F.normalize(v, dim=-1, eps=1e-12).repeat_interleave(shape.heads // shape.kv_heads, 2)
        y = y - (y * u).sum(-1, keepdim=True) * u
    return y.reshape(rows, length, shape.dim) @ w[f"{name}.attention.output"].T


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of query heads (B, T, heads, h); head i reads key-value head i // (heads / K)."""
    length, share = q.shape[1], q.shape[2] // k.shape[2]
    reads = torch.arange(q.shape[2]) // share
    scores = torch.einsum("bihc,bjhc->bhij", q, k[:, :, reads]) / math.sqrt(q.shape[-1])
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    return torch.einsum("bhij,bjhc->bihc", torch.softmax(scores.masked_fill(later, -math.inf), -1), v[:, :, reads])


def rotate(x: Tensor, shape: Shape) -> Tensor:
    """Rotary embedding of (B, T, heads, h), its first dims as two halves."""
    dims, length = shape.rope_dims or shape.width, x.shape[1]
    base = 10000.0
    if shape.ntk_reference is not None and length > shape.ntk_reference:
        e = shape.width if shape.ntk_of_head else dims
        base *= (length / shape.ntk_reference) ** (e / (e - 2))
    frequencies = torch.tensor([base ** (-2 * j / dims) for j in range(dims // 2)], dtype=torch.float64)
    angles = torch.arange(length)[:, None, None] * frequencies * (-1 if shape.forward else 1)
    cos, sin = angles.cos(), angles.sin()
    first, second = x[..., : dims // 2], x[..., dims // 2 : dims]
    return torch.cat([first * cos + second * sin, second * cos - first * sin, x[..., dims:]], -1)


def mlp(w: Stores, name: str, x: Tensor, shape: Shape) -> Tensor:
    up, down = w[f"{name}.mlp.up"], w[f"{name}.mlp.down"]
    assert up.shape == (shape.hidden, shape.dim)
    if shape.swiglu:
        return (F.silu(x @ w[f"{name}.mlp.gate"].T) * (x @ up.T)) @ down.T
    return F.leaky_relu(x @ up.T, shape.slope).square() @ down.T
