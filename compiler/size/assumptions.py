"""What a size depends on that only training tells, as assumed before it: the likely, and the ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import exp

from ..spec.quantization import Clip, Scheme
from .entropy import NORMAL


@dataclass(frozen=True, slots=True)
class Assumed:
    """One guess.

    Attributes:
        passed_on: share of the mean squared error of rounding that GPTQ adds to the variance of what it rounds later.
        deviation: standard deviation of the weights, which counts where steps have a floor.
        spread: standard deviation of the logarithm of the rows' sensitivities.
    """

    passed_on: float = 0.0
    deviation: float = 0.12
    spread: float = 0.0


LIKELY = Assumed(passed_on=0.6, deviation=0.12, spread=0.7)
PASSED_ON = (0.0, 2.5)
"""Measured on Hessians of independent, autoregressive, power-law, low-rank and densely mixed inputs: 0.0 to 1.7."""
DEVIATIONS = tuple(0.005 * 2**octave for octave in range(10))
"""Trained matrices lie between 0.02 and 0.15: 1.7 to 4.2 bits at int6 under the challenge's floor of 1/31. Where codes
end at few deviations size need not grow with them, so that those between count too."""
SPREADS = (0.0, 0.5, 1.0, 2.0)
NODES = 9


def likely(scheme: Scheme) -> Assumed:
    """What is predicted from."""
    return _of(scheme, LIKELY.passed_on, LIKELY.deviation, LIKELY.spread)


def ends(scheme: Scheme) -> list[Assumed]:
    """Guesses between whose sizes the size lies; one where the scheme depends on none."""
    passed_on = PASSED_ON if scheme.gptq is not None else (0.0,)
    deviations = DEVIATIONS if scheme.step.floor > 0 else (LIKELY.deviation,)
    spreads = SPREADS if _sensitive(scheme.clip) else (0.0,)
    return [_of(scheme, *guess) for guess in product(passed_on, deviations, spreads)]


def row_factors(clip: Clip | None, assumed: Assumed) -> Sequence[float]:
    """Factors of equal shares of the rows under `sensitivity_std`; one elsewhere."""
    if clip is None or not _sensitive(clip) or not assumed.spread:
        return (1.0,)
    assert clip.strength is not None
    spread, strength, least = assumed.spread, clip.strength, clip.least_factor
    places = (NORMAL.inv_cdf((node + 0.5) / NODES) for node in range(NODES))
    shares = (exp(spread * place - spread**2 / 2) for place in places)  # of their mean
    return [max(least, 1 + strength * (share - 1)) for share in shares]


def _sensitive(clip: Clip | None) -> bool:
    return clip is not None and clip.kind == "sensitivity_std"


def _of(scheme: Scheme, passed_on: float, deviation: float, spread: float) -> Assumed:
    return Assumed(passed_on if scheme.gptq is not None else 0.0, deviation, spread if _sensitive(scheme.clip) else 0.0)
