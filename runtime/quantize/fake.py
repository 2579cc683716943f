"""Weights as the artifact will round them, on the training device: what quantization-aware steps run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...compiler.spec.quantization import Clip, Scheme
from .integer import SMALLEST_STEP, row_shape
from .store import decode, encode

HALF_DIGITS, HALF_LEAST_EXPONENT = 11, -24


@torch.no_grad()
def round_as_exported(weight: Tensor, scheme: Scheme, store: str) -> Tensor:
    """What `decode(encode(weight))` gives under an integer scheme: same shape, dtype and device as `weight`.

    Clips of `LIMITS` are computed where the weight lies; any other goes through the exporter itself, on the CPU.
    (A `std` row whose mean lies outside its grid is clipped here; the exporter refuses it.)
    """
    assert scheme.kind == "integer" and scheme.clip is not None, scheme
    limits = LIMITS.get(scheme.clip.kind)
    if limits is None:
        decoded = decode(encode(store, weight.detach().float().cpu().numpy(), scheme))
        return torch.from_numpy(decoded).to(weight)
    rows = weight.detach().float().reshape(row_shape(tuple(weight.shape)))
    steps = nearest_half(limits(rows, scheme.clip) / scheme.levels).clamp_min(float(SMALLEST_STEP))
    steps = torch.where(rows.any(dim=1), steps, 0.0).float()[:, None]  # (rows, 1), each a float16 value
    codes = (rows / torch.where(steps == 0, 1.0, steps)).round().clamp(-scheme.levels, scheme.levels)
    return (codes * steps).reshape(weight.shape).to(weight.dtype)


def nearest_half(values: Tensor) -> Tensor:
    """Not negative float64 values rounded to float16's, half to even, as float64.

    A cast would round twice, by way of float32, and so meet another step than the exporter about once in 10,000 rows.
    """
    _, exponents = torch.frexp(values)
    spacing = torch.ldexp(torch.ones_like(values), (exponents - HALF_DIGITS).clamp_min(HALF_LEAST_EXPONENT))
    return torch.round(values / spacing) * spacing


def _absmax(rows: Tensor, clip: Clip) -> Tensor:
    return rows.abs().amax(dim=1).double()


def _std(rows: Tensor, clip: Clip) -> Tensor:
    assert clip.k is not None
    return clip.k * rows.double().std(dim=1, correction=0)


LIMITS: dict[str, Callable[[Tensor, Clip], Tensor]] = {"absmax": _absmax, "std": _std}
"""By clip kind: where each row's grid ends, float64 (rows,)."""


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
