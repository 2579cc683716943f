"""Rotary position embedding (RoPE, arXiv 2104.09864) on split halves, with NTK-aware growth of the base."""

from __future__ import annotations

import torch
from torch import Tensor

Rotary = tuple[Tensor, Tensor]


def rotary_table(tokens: Tensor, dims: int, base: float, ntk_reference: int | None = None) -> Rotary:
    """Cosines and sines (T, 1, dims / 2) in float32 for tokens (B, T); positions start at 0.

    Where T exceeds `ntk_reference` the base is multiplied by (T / reference)^(dims / (dims - 2)).
    """
    length = tokens.size(1)
    if ntk_reference is not None and length > ntk_reference:
        base = base * (length / ntk_reference) ** (dims / (dims - 2))
    exponents = torch.arange(0, dims, 2, dtype=torch.float32, device=tokens.device) / dims
    frequencies = 1.0 / (base**exponents)
    angles = torch.outer(torch.arange(length, dtype=torch.float32, device=tokens.device), frequencies)
    return angles.cos()[:, None, :], angles.sin()[:, None, :]


def apply_rotary(x: Tensor, rotary: Rotary) -> Tensor:
    """Rotates the first dims of each head of x (B, T, H, h) by minus its angle; the other dims pass through."""
    cos, sin = rotary[0].to(x.dtype), rotary[1].to(x.dtype)
    half = cos.size(-1)
    first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    rotated = (first * cos + second * sin, second * cos - first * sin)
    return torch.cat((*rotated, rest) if rest.size(-1) else rotated, dim=-1)
