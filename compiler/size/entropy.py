"""Order-0 entropy of quantized Gaussian weights, and the largest magnitude that a row of them has."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import erf, log2, sqrt
from statistics import NormalDist


@lru_cache(maxsize=4096)
def gaussian_entropy(bits: int, k: float) -> float:
    """Bits a weight of N(0, 1) rounded to steps of k / levels and clamped to -levels..levels; 3.328 for (6, 12.85)."""
    levels = int(2 ** (bits - 1)) - 1
    step = k / levels
    upper = [1 - _beyond(step * (code + 0.5)) for code in range(levels)]  # mass of |code| <= 0, 1, ...
    masses = [
        upper[0],
        *(high - low for low, high in pairwise(upper)),
        _beyond(step * (levels - 0.5)),
    ]
    entropy = -masses[0] * log2(masses[0])
    # Every other magnitude is two codes of half its mass.
    return entropy - sum(mass * log2(mass / 2) for mass in masses[1:] if mass > 0)


@lru_cache(maxsize=4096)
def row_maximum(samples: int) -> float:
    """Median of the largest of `samples` |N(0, 1)|: the k at which `absmax` clips such a row; 3.27 for 640."""
    return NormalDist().inv_cdf((1 + 0.5 ** (1 / samples)) / 2)


def _beyond(deviations: float) -> float:
    """P(|N(0, 1)| > deviations)."""
    return 1 - erf(deviations / sqrt(2))
