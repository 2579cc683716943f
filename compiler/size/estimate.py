"""Predicts an artifact's bytes from its stores' shapes and schemes, with an interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, prod

from ..plan import SizeEstimate
from ..spec import Budget
from ..spec.quantization import Codec
from .interval import NOTHING, Interval
from .store import SizedStore, coarsest_interval, store_interval

CONTAINER_BYTES = 28 + 3 * 36 + 32
"""The artifact's preamble, length and SHA-256 of three streams, and its own SHA-256."""

SHORT_SHARE, SHORT_BYTES = 0.0015, 2000
"""How far below its target the packer may end: the larger of the two; see `rate_distortion` in the schema."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes of an artifact and its code, before the budget is shared out.

    Attributes:
        fixed: all but the rate-distortion stores.
        coarsest, finest: those stores, with the coarsest and the finest grids that they can have.
        weights: in those stores.
    """

    fixed: Interval
    coarsest: Interval = NOTHING
    finest: Interval = NOTHING
    weights: int = 0

    def total(self, target_bytes: int) -> Interval:
        """Of everything, with the rate-distortion stores' grids chosen to reach `target_bytes`.

        The target itself where it can be reached; where not, what comes next to it.
        """
        if self.weights == 0:
            return self.fixed
        least, most = self.fixed + self.coarsest, self.fixed + self.finest
        short = max(SHORT_SHARE * target_bytes, SHORT_BYTES)
        predicted = min(max(target_bytes, least.predicted), most.predicted)
        low = min(max(target_bytes - short, least.low), most.low, predicted)
        high = max(min(max(target_bytes, least.high), most.high), predicted)
        return Interval(low, predicted, high)

    def bits_per_weight(self, target_bytes: int) -> float | None:
        """Bits that a weight of the rate-distortion stores gets; None where there are none. At least 0."""
        if self.weights == 0:
            return None
        return max(0.0, 8 * (self.total(target_bytes).predicted - self.fixed.predicted) / self.weights)


def estimate(
    stores: Iterable[SizedStore],
    codec: Codec,
    *,
    header: Interval,
    tokenizer_bytes: tuple[int, int, int],
    code_bytes: int,
) -> Estimate:
    """Predicts a trained model's artifact and its code.

    A std clip is closed-form: the entropy of N(0, 1) on the grid of `bits` and `k`, to about 2 % whatever the training.
    So is `rate_distortion`: its size is the budget less the margin, unless its grid ends before. Under `absmax` and the
    percentile clips k is that of Gaussian weights, and the interval is wide. Undertrained models fall below the
    interval (see `factors`).

    Args:
        stores: every stored tensor once, however many sites read it.
        header: of the compressed header, from `predict_header`.
        tokenizer_bytes: low, predicted and high bytes of the compressed tokenizer; zeros where none is embedded.
        code_bytes: bytes of code that count against the limit.
    """
    size = CONTAINER_BYTES + code_bytes
    fixed = header + Interval(*tokenizer_bytes) + Interval(size, size, size)
    coarsest, finest, weights = NOTHING, NOTHING, 0
    for store in stores:
        interval = store.measured or store_interval(store.shape, store.scheme, codec)
        if store.scheme.kind == "rate_distortion":
            coarsest += coarsest_interval(store.shape, store.scheme)
            finest += interval
            weights += prod(store.shape)
        else:
            fixed += interval
    return Estimate(fixed, coarsest, finest, weights)


def size_estimate(found: Estimate, budget: Budget) -> SizeEstimate:
    """The estimate against a budget, whose margin the rate-distortion stores leave."""
    total = found.total(budget.bytes - budget.margin)
    return SizeEstimate(
        limit_bytes=budget.bytes,
        predicted_bytes=round(total.predicted),
        low_bytes=int(total.low),
        high_bytes=ceil(total.high),
        code_bytes=budget.code_bytes,
    )
