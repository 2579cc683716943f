"""Predicts an artifact's bytes from its stores' shapes and schemes, with an interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, prod
from typing import Protocol

from ..plan import SizeEstimate
from ..spec.quantization import Codec, Scheme
from .entropy import gaussian_entropy, row_maximum
from .factors import STEP_BYTES, Factor, level_factor, value_factor

CONTAINER_BYTES = 28 + 32
"""The artifact's preamble and its SHA-256."""


class Sized(Protocol):
    """What an estimate needs of a store; a planned store has it."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def scheme(self) -> Scheme: ...


@dataclass(frozen=True, slots=True)
class SizedStore:
    """A store's shape and scheme."""

    shape: tuple[int, ...]
    scheme: Scheme


@dataclass(frozen=True, slots=True)
class Interval:
    """Bytes: the interval's ends and what is predicted."""

    low: float
    predicted: float
    high: float

    @classmethod
    def of(cls, base: float, factor: Factor) -> Interval:
        """`base` times a measured factor."""
        return cls(base * factor.low, base * factor.predicted, base * factor.high)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.predicted + other.predicted, self.high + other.high)


def predict_size(
    stores: Iterable[Sized],
    codec: Codec,
    *,
    header: Interval,
    tokenizer_bytes: tuple[int, int, int],
    code_bytes: int,
    limit_bytes: int,
) -> SizeEstimate:
    """Predicted size of a trained model's artifact and its code.

    A std clip is closed-form: the entropy of N(0, 1) on the grid of `bits` and `k`, to about 2 % whatever the training.
    Under absmax k is the median row maximum of Gaussian weights, and the interval is wide. Undertrained models fall
    below the interval (see `factors`).

    Args:
        stores: every stored tensor once, however many sites read it.
        header: of the compressed header, from `predict_header`.
        tokenizer_bytes: low, predicted and high bytes of the compressed tokenizer; zeros where none is embedded.
        code_bytes: bytes of code that count against the limit.
        limit_bytes: the budget.
    """
    total = header + Interval(*tokenizer_bytes)
    for store in stores:
        total += store_interval(store.shape, store.scheme, codec)
    fixed = CONTAINER_BYTES + code_bytes
    return SizeEstimate(
        limit_bytes=limit_bytes,
        predicted_bytes=round(total.predicted) + fixed,
        low_bytes=int(total.low) + fixed,
        high_bytes=ceil(total.high) + fixed,
        code_bytes=code_bytes,
    )


def store_interval(shape: tuple[int, ...], scheme: Scheme, codec: Codec) -> Interval:
    """Compressed bytes of one store."""
    elements = prod(shape)
    factor = value_factor(scheme, elements) * level_factor(codec)
    if scheme.kind != "integer":
        return Interval.of(elements * (2 if scheme.kind == "float16" else 4), factor)
    assert scheme.bits is not None and scheme.clip is not None
    rows = shape[0] if len(shape) > 1 else 1
    k = scheme.clip.k if scheme.clip.k is not None else row_maximum(elements // rows)
    codes = Interval.of(elements * gaussian_entropy(scheme.bits, k) / 8, factor)
    return codes + Interval.of(rows, STEP_BYTES)
