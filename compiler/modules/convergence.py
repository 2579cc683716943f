"""How far a loop still moves the stream, for loops that run until it no longer does (arXiv 1909.01377)."""

from __future__ import annotations

import torch
from torch import Tensor


def relative_change(x: Tensor, before: Tensor) -> Tensor:
    """rms(x - before) / (rms(before) + 1e-8) over all elements; float32, ()."""
    return _rms(x.float() - before.float()) / (_rms(before.float()) + 1e-8)


def _rms(x: Tensor) -> Tensor:
    return torch.sqrt(x.square().mean())
