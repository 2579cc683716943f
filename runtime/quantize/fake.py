"""Weights as the artifact will round them, on the training device: what quantization-aware steps run on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...compiler.spec.quantization import Scheme
from .errors import QuantizeError
from .fake_steps import device_limits, device_steps, nearest, stored, used
from .storage import row_shape
from .units import column_blocks


@torch.no_grad()
def round_as_exported(weight: Tensor, scheme: Scheme, store: str) -> Tensor:
    """What `decode(encode(weight))` gives, bit for bit: same shape, dtype and device as `weight`.

    Under gptq, which training cannot know, each weight is rounded to nearest on the same grid. (A unit that the
    exporter refuses, since its `std` grid or percentile would make it zero, is clipped here.)

    Raises:
        QuantizeError: the grid is not known before calibration, or after training (see `Scheme.known_in_training`).
    """
    if not scheme.known_in_training:
        raise QuantizeError(
            f"store {store}: {scheme} is not known while the model trains, so no step can round to it; "
            "leave quantization_aware out, or give the store a scheme that follows from its weights alone"
        )
    levels = scheme.levels if scheme.kind == "integer" else 1
    matrix = weight.detach().float().reshape(row_shape(tuple(weight.shape)))
    blocks = _split(matrix, scheme)
    steps = device_steps(blocks, scheme, levels)
    rounded = [_rounded(block, exact, scheme, levels) for block, exact in zip(blocks, steps, strict=True)]
    joined = torch.cat([values.reshape(len(matrix), -1) for values in rounded], dim=1)
    return joined.reshape(weight.shape).to(weight.dtype)


def _split(matrix: Tensor, scheme: Scheme) -> list[Tensor]:
    """(units, width) of each block; see `units`."""
    if scheme.step.per == "store":
        return [matrix.reshape(1, -1)]
    parts = [matrix[:, block] for block in column_blocks(matrix.shape[1], scheme.step)]
    return [part.reshape(-1, min(scheme.step.group or part.shape[1], part.shape[1])) for part in parts]


def _rounded(block: Tensor, exact: Tensor, scheme: Scheme, levels: int) -> Tensor:
    """Decoded values (units, width)."""
    if scheme.kind == "binary":
        return torch.where(block >= 0, 1.0, -1.0) * stored(exact, scheme.step)
    if scheme.clip is not None and scheme.clip.kind == "percentile":
        limits = device_limits(block, scheme.clip)
        block = block.clamp(-limits, limits)
    return nearest(block, used(exact, scheme.step), levels) * stored(exact, scheme.step)


class _StraightThrough(torch.autograd.Function):
    """`rounded` forward, the identity on `weight` backward (Bengio et al. 2013), without a rounding of its own."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rounded: Tensor) -> Tensor:  # noqa: ANN401 - autograd's context
        return rounded.view_as(rounded)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return gradient, None


def straight_through(weight: Tensor, rounded: Tensor) -> Tensor:
    """`rounded`, bit for bit, whose gradient goes to `weight` unchanged."""
    result = _StraightThrough.apply(weight, rounded)  # type: ignore[no-untyped-call]
    assert isinstance(result, Tensor)
    return result
