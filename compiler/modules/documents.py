"""Packed documents: where they begin, and the mask that keeps attention within each."""

from __future__ import annotations

import torch
from torch import Tensor


def document_starts(tokens: Tensor, boundary_token: int) -> Tensor:
    """Where tokens (B, T) begin a document, (B, T) bool. The first token of a row begins one anyhow."""
    return tokens == boundary_token


def document_mask(starts: Tensor) -> Tensor:
    """What is added to attention scores, (B, 1, T, T): 0 for the same and earlier tokens of a document, else -inf.

    It has the dtype that attention computes in, so that the kernel takes it as it is: one copy serves all positions.
    """
    kind = starts.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    documents = starts.cumsum(1)  # number of the document
    same = documents[:, :, None] == documents[:, None, :]
    mask = torch.zeros(same.shape, dtype=dtype, device=starts.device)
    return mask.masked_fill(~same.tril(), float("-inf"))[:, None]
