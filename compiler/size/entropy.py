"""Order-0 entropy of quantized Gaussian weights, and where clips cut rows of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from math import erf, exp, log2, pi, sqrt
from statistics import NormalDist

NORMAL = NormalDist()


@lru_cache(maxsize=4096)
def gaussian_entropy(bits: int, k: float, pruned: float = 0.0) -> float:
    """Bits a weight of N(0, 1) rounded to steps of k / levels and clamped to -levels..levels; 3.328 for (6, 12.85).

    The share `pruned` of the weights, the smallest, has code 0 whatever the step.
    """
    levels = (1 << (bits - 1)) - 1
    step = k / levels
    upper = [max(pruned, 1 - _beyond(step * (code + 0.5))) for code in range(levels)]  # mass of |code| <= 0, 1, ...
    masses = [upper[0], *(high - low for low, high in pairwise(upper)), 1 - upper[-1]]
    entropy = -masses[0] * log2(masses[0])
    # Every other magnitude is two codes of half its mass.
    return entropy - sum(mass * log2(mass / 2) for mass in masses[1:] if mass > 0)


@lru_cache(maxsize=4096)
def row_maximum(samples: int) -> float:
    """Median of the largest of `samples` |N(0, 1)|: the k at which `absmax` clips such a row; 3.27 for 640."""
    return NORMAL.inv_cdf((1 + 0.5 ** (1 / samples)) / 2)


def percentile_k(share: float, samples: int) -> float:
    """The k within which the share of |N(0, 1)| lies, of `samples` at most their largest."""
    largest = row_maximum(samples)
    return largest if share >= 1 else min(largest, NORMAL.inv_cdf((1 + share) / 2))


def least_error_k(bits: int, candidates: Iterable[float]) -> float:
    """The candidate at which rounding N(0, 1) has the least squared error."""
    return min(candidates, key=lambda k: squared_error(bits, k))


def squared_error(bits: int, k: float) -> float:
    """Mean squared error of N(0, 1) on the grid: step^2 / 12 within, the distance to its end beyond."""
    step = k / ((1 << (bits - 1)) - 1)
    density = exp(-k * k / 2) / sqrt(2 * pi)
    within = step * step / 12 * (1 - _beyond(k))
    return within + (1 + k * k) * _beyond(k) - 2 * k * density


def _beyond(deviations: float) -> float:
    """P(|N(0, 1)| > deviations)."""
    return 1 - erf(deviations / sqrt(2))
