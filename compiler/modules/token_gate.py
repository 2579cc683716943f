"""A gate for each token on what a block adds to the stream."""

from __future__ import annotations

import torch
from torch import Tensor


def token_gate(start: Tensor, end: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """start + g (end - start), g = sigmoid(start . weight + bias) for each token; weight (d,), bias ().

    start and end (B, T, d) are the stream before and after the block; no gradient flows through the gate's input.
    """
    share = torch.sigmoid(start.detach() @ weight.to(start.dtype) + bias)
    return start + share[..., None] * (end - start)
