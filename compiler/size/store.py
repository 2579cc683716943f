"""Predicted bytes of one store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from ..spec.quantization import Codec, Scheme
from .assumptions import Assumed, ends, likely
from .closed_form import code_model
from .coders import CODER_BYTES, codec_factor
from .factors import (
    ERROR_CODE_BYTES,
    EXPONENT_BYTES,
    POOLED_CODES,
    POOLED_ELEMENTS,
    STEP_BYTES,
    Factor,
    float_factor,
    grid_factor,
)
from .interval import Interval
from .layout import error_codes, error_steps, exponents, steps

BASE_BYTES = 4
"""Of a rate-distortion store: its one float32 step."""
COARSEST_BITS = Factor(0.0, 0.1, 0.3)
"""Bits a weight where a rate-distortion grid has become so coarse that nearly every code is zero."""
UNTOLD = 0.3
"""Most of what `rans` leaves of the difference between the entropy of all codes and that of each row's."""


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
    guesses = [_code_interval(shape, scheme, codec, guess) for guess in ends(scheme)]
    middle = _code_interval(shape, scheme, codec, likely(scheme)).predicted
    low, high = min(guess.low for guess in guesses), max(guess.high for guess in guesses)
    return Interval(min(low, middle), middle, max(middle, high)) + side_interval(shape, scheme)


def _code_interval(shape: tuple[int, ...], scheme: Scheme, codec: Codec, assumed: Assumed) -> Interval:
    """Of the codes alone. A byte compressor codes all rows alike; `rans` finds most of what tells them apart."""
    elements, bits = prod(shape), code_model(shape, scheme, assumed)
    if elements < POOLED_ELEMENTS:
        return Interval.of(elements * bits.mixed / 8, POOLED_CODES)
    factor = grid_factor(scheme)
    if codec.kind == "rans":
        coder = codec_factor(codec, bits.by_row)
        most = bits.by_row + UNTOLD * (bits.mixed - bits.by_row)
        low, middle, high = bits.by_row, bits.by_row, most
    else:
        coder = codec_factor(codec, bits.mixed, bits.huffman)
        low, middle, high = bits.by_row, bits.mixed, bits.mixed
    whole, overhead = factor * coder, CODER_BYTES if high < 1 else 0
    scale = elements / 8
    return Interval(low * whole.low * scale, middle * whole.predicted * scale, high * whole.high * scale + overhead)


def coarsest_interval(shape: tuple[int, ...], scheme: Scheme) -> Interval:
    """Compressed bytes of a rate-distortion store with the coarsest grid that it can have."""
    return Interval.of(prod(shape) / 8, COARSEST_BITS) + side_interval(shape, scheme)


def side_interval(shape: tuple[int, ...], scheme: Scheme) -> Interval:
    """What is not the codes of the weights: steps or exponents, and the error term."""
    if scheme.kind == "rate_distortion":
        base = Interval(BASE_BYTES, BASE_BYTES, BASE_BYTES)
        return base + Interval.of(exponents(shape), EXPONENT_BYTES)
    step_bytes = STEP_BYTES[scheme.step.dtype]
    if scheme.step.floor > 0:  # which all steps may have
        step_bytes = replace(step_bytes, low=0.0)
    own = Interval.of(steps(shape, scheme), step_bytes)
    codes = Interval.of(error_codes(shape, scheme), ERROR_CODE_BYTES)
    return own + codes + Interval.of(error_steps(shape, scheme), STEP_BYTES["float16"])
