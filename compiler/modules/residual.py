"""How a block's branches, the input x0 and U-Net skips meet the stream."""

from __future__ import annotations

from torch import Tensor


def residual_mix(x: Tensor, x0: Tensor, mix: Tensor) -> Tensor:
    """mix[0] * x + mix[1] * x0 per channel; x, x0 (B, T, d), mix (2, d)."""
    return mix[0].to(x.dtype) * x + mix[1].to(x.dtype) * x0
