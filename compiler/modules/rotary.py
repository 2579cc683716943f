"""Rotary position embedding (RoPE, arXiv 2104.09864) on split halves, with NTK-aware growth of the base."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

Rotary = tuple[Tensor, Tensor]


def rotary_table(
    tokens: Tensor,
    dims: int,
    base: float,
    ntk_reference: int | None = None,
    *,
    ntk_exponent: int | None = None,
    direction: str = "backward",
    dtype: str = "float32",
) -> Rotary:
    """Cosines and sines (T, 1, dims / 2), float32 tensors, for tokens (B, T); positions start at 0.

    Where T exceeds `ntk_reference` the base is multiplied by (T / reference)^(e / (e - 2)) with e = `ntk_exponent`,
    or `dims` where none is given, and the table is computed in float32 whatever `dtype`. Else `dtype` "bfloat16"
    holds frequencies, positions, angles and the table itself in bfloat16, as a model cast as a whole does: beyond
    position 256 neighbours share an angle. `direction`: see `apply_rotary`; "forward" is that of MLX.
    """
    assert direction in ("backward", "forward"), direction
    length, inner = tokens.size(1), dtype
    if ntk_reference is not None and length > ntk_reference:
        exponent = dims if ntk_exponent is None else ntk_exponent
        base = base * (length / ntk_reference) ** (exponent / (exponent - 2))
        inner = "float32"
    cos, sin = _table(length, dims, base, inner, str(tokens.device)).unbind()
    return cos, (sin if direction == "backward" else -sin)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # else inductor computes sines at every use
def _table(length: int, dims: int, base: float, dtype: str, device: str) -> Tensor:
    return _kept_table(length, dims, base, dtype, device)


@lru_cache(maxsize=32)
def _kept_table(length: int, dims: int, base: float, dtype: str, device: str) -> Tensor:
    """Cosines and sines, float32 (2, T, 1, dims / 2); kept, for every forward pass asks for the same ones."""
    inner = getattr(torch, dtype)
    with torch.inference_mode(mode=False), torch.no_grad():  # what is kept must serve training too
        exponents = torch.arange(0, dims, 2, dtype=torch.float32, device=device) / dims
        frequencies = (1.0 / (base**exponents)).to(inner)
        angles = torch.outer(torch.arange(length, dtype=torch.float32, device=device).to(inner), frequencies)
        return torch.stack((angles.cos().float(), angles.sin().float()))[:, :, None, :]


def apply_rotary(x: Tensor, rotary: Rotary) -> Tensor:
    """Rotates the first dims of each head of x (B, T, H, h); the other dims pass through.

    The angle is minus theta, or plus theta with a table of direction "forward", where theta = position * frequency.
    """
    cos, sin = rotary[0].to(x.dtype), rotary[1].to(x.dtype)
    half = cos.size(-1)
    first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    rotated = (first * cos + second * sin, second * cos - first * sin)
    return torch.cat((*rotated, rest) if rest.size(-1) else rotated, dim=-1)
