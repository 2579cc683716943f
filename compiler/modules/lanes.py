"""Two lanes of the stream, one read by attention and one by the MLP, each written by both (parameter-golf PR 1204)."""

from __future__ import annotations

from torch import Tensor


def write_lane(lane: Tensor, attention: Tensor, mlp: Tensor, residual: Tensor, post: Tensor) -> Tensor:
    """residual * lane + post[0] * attention + post[1] * mlp; streams (B, T, d), residual (), post (2,)."""
    return residual * lane + post[0] * attention + post[1] * mlp
