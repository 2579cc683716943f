"""Predicted bytes of one store."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..spec.quantization import Codec, Scheme
from .closed_form import code_bits
from .factors import ERROR_CODE_BYTES, EXPONENT_BYTES, STEP_BYTES, Factor, code_factor, float_factor
from .interval import Interval
from .layout import error_codes, error_steps, exponents, steps

BASE_BYTES = 4
"""Of a rate-distortion store: its one float32 step."""
COARSEST_BITS = Factor(0.0, 0.1, 0.3)
"""Bits a weight where a rate-distortion grid has become so coarse that nearly every code is zero."""


@dataclass(frozen=True, slots=True)
class SizedStore:
    """A store's shape and scheme; `measured`: what it came to in a checkpoint, which then stands for a prediction."""

    shape: tuple[int, ...]
    scheme: Scheme
    measured: Interval | None = None


def store_interval(shape: tuple[int, ...], scheme: Scheme, codec: Codec) -> Interval:
    """Compressed bytes of one store; of a rate-distortion one with the finest grid that it can have."""
    elements = prod(shape)
    if not scheme.coded:
        return Interval.of(elements * (2 if scheme.kind == "float16" else 4), float_factor(scheme, elements))
    bits = code_bits(shape, scheme)
    codes = Interval.of(elements * bits / 8, code_factor(scheme, elements, bits, codec))
    return codes + side_interval(shape, scheme)


def coarsest_interval(shape: tuple[int, ...], scheme: Scheme) -> Interval:
    """Compressed bytes of a rate-distortion store with the coarsest grid that it can have."""
    return Interval.of(prod(shape) / 8, COARSEST_BITS) + side_interval(shape, scheme)


def side_interval(shape: tuple[int, ...], scheme: Scheme) -> Interval:
    """What is not the codes of the weights: steps or exponents, and the error term."""
    if scheme.kind == "rate_distortion":
        base = Interval(BASE_BYTES, BASE_BYTES, BASE_BYTES)
        return base + Interval.of(exponents(shape), EXPONENT_BYTES)
    own = Interval.of(steps(shape, scheme), STEP_BYTES[scheme.step.dtype])
    codes = Interval.of(error_codes(shape, scheme), ERROR_CODE_BYTES)
    return own + codes + Interval.of(error_steps(shape, scheme), STEP_BYTES["float16"])
