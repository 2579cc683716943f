"""Products with two thin matrices, and low-rank additions to a sublayer's matrices (LoRA, arXiv 2106.09685)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch.nn.functional as F
from torch import Tensor


def low_rank(x: Tensor, down: Tensor, up: Tensor) -> Tensor:
    """(x down^T) up^T without a non-linearity between; x (..., d), down (r, d), up (out, r)."""
    inner = F.linear(x, down.to(x.dtype))
    return F.linear(inner, up.to(inner.dtype))


def add_delta(y: Tensor, x: Tensor, slot: str, deltas: Mapping[str, Tensor]) -> Tensor:
    """y plus the low-rank part of x that `deltas` holds for the matrix `slot`; y itself where it holds none."""
    if f"{slot}_delta_down" not in deltas:
        return y
    return y + low_rank(x, deltas[f"{slot}_delta_down"], deltas[f"{slot}_delta_up"])


def check_deltas(slots: Iterable[str], deltas: Mapping[str, Tensor]) -> None:
    """Every delta is one of a pair `<slot>_delta_down` and `<slot>_delta_up`, so that none is ignored."""
    if not deltas:
        return
    pairs = {slot: {f"{slot}_delta_down", f"{slot}_delta_up"} for slot in slots}
    unknown = set(deltas).difference(*pairs.values())
    assert not unknown, f"no such delta: {', '.join(sorted(unknown))}; slots: {', '.join(pairs)}"
    for slot, pair in pairs.items():
        assert not pair & set(deltas) or pair <= set(deltas), f"delta of {slot} is not a pair of down and up"
