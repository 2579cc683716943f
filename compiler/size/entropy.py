"""Order-0 entropy of quantized Gaussian weights, and where clips cut rows of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import pairwise
from math import erf, exp, log2, pi, sqrt
from statistics import NormalDist

NORMAL = NormalDist()
KEPT_NODES = 32
MOST = 1 - 2**-53
"""The largest float below 1."""


@lru_cache(maxsize=4096)
def gaussian_entropy(bits: int, k: float, pruned: float = 0.0) -> float:
    """Bits a weight of N(0, 1) rounded to steps of k / levels and clamped to -levels..levels; 3.328 for (6, 12.85).

    The share `pruned` of the weights, the smallest, has code 0 whatever the step.
    """
    levels = (1 << (bits - 1)) - 1
    return entropy_bits(gaussian_masses(levels, k / levels, pruned))


def gaussian_masses(levels: int, step: float, pruned: float = 0.0) -> list[float]:
    """Shares of the codes of magnitude 0 to `levels` of N(0, 1) rounded to steps, `pruned` as in `gaussian_entropy`."""
    upper = [max(pruned, 1 - _beyond(step * (code + 0.5))) for code in range(levels)]  # mass of |code| <= 0, 1, ...
    return [upper[0], *(high - low for low, high in pairwise(upper)), 1 - upper[-1]]


def passed_on_masses(levels: int, step: float, pruned: float, variance: float) -> list[float]:
    """The same once errors of that variance have been added to all weights that are not pruned, as GPTQ does."""
    if pruned <= 0:
        return gaussian_masses(levels, step / sqrt(1 + variance))
    kept = [_end(pruned + (1 - pruned) * (node + 0.5) / KEPT_NODES) for node in range(KEPT_NODES)]
    wide = sqrt(2 * variance)
    upper = []
    for code in range(levels):
        end = step * (code + 0.5)
        within = sum(erf((end - weight) / wide) + erf((end + weight) / wide) for weight in kept) / (2 * KEPT_NODES)
        upper.append(pruned + (1 - pruned) * within)
    return [upper[0], *(high - low for low, high in pairwise(upper)), 1 - upper[-1]]


def entropy_bits(masses: Sequence[float]) -> float:
    """Order-0 entropy of codes by the masses of their magnitudes, each of which but 0 is two codes of half its mass."""
    entropy = -masses[0] * log2(masses[0]) if masses[0] > 0 else 0.0
    return entropy - sum(mass * log2(mass / 2) for mass in masses[1:] if mass > 0)


def huffman_bits(masses: Sequence[float]) -> float:
    """Mean length of the codes' Huffman words, at least one bit."""
    halves = [mass / 2 for mass in masses[1:] if mass > 0]
    heap = [*halves, *halves, *([masses[0]] if masses[0] > 0 else [])]
    if len(heap) == 1:
        return 1.0
    heapify(heap)
    length = 0.0
    while len(heap) > 1:
        joined = heappop(heap) + heappop(heap)
        length += joined
        heappush(heap, joined)
    return length


def kept_deviation(pruned: float) -> float:
    """Standard deviation of N(0, 1) once the share `pruned` of it, the smallest magnitudes, is zero."""
    if pruned <= 0:
        return 1.0
    end = _end(pruned)
    return sqrt(1 - pruned + 2 * end * NORMAL.pdf(end))


def kept_magnitude(pruned: float) -> float:
    """Mean magnitude of N(0, 1), likewise: the step of ternary weights."""
    return 2 * NORMAL.pdf(_end(pruned)) if pruned > 0 else sqrt(2 / pi)


@lru_cache(maxsize=4096)
def rounding_error(levels: int, step: float) -> float:
    """Mean squared error of N(0, 1) on the grid, exactly: also where steps are wider than the weights."""
    ends = [0.0, *(step * (code + 0.5) for code in range(levels))]
    below = [_moments(end) for end in ends] + [(0.5, 1 / sqrt(2 * pi), 0.5)]
    error = 0.0
    for code, (low, high) in enumerate(pairwise(below)):
        mass, mean, square = (after - before for before, after in zip(low, high, strict=True))
        error += square - 2 * code * step * mean + (code * step) ** 2 * mass
    return 2 * error


@lru_cache(maxsize=4096)
def row_maximum(samples: int) -> float:
    """Median of the largest of `samples` |N(0, 1)|: the k at which `absmax` clips such a row; 3.27 for 640."""
    return NORMAL.inv_cdf((1 + 0.5 ** (1 / samples)) / 2)


def percentile_k(share: float, samples: int) -> float:
    """The k within which the share of |N(0, 1)| lies, of `samples` at most their largest."""
    largest = row_maximum(samples)
    return largest if share >= 1 else min(largest, _end(share))


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


def _moments(end: float) -> tuple[float, float, float]:
    """Integrals over 0 to `end` of the density of N(0, 1), of x and of x^2 times it."""
    density = NORMAL.pdf(end)
    half = erf(end / sqrt(2)) / 2
    return half, 1 / sqrt(2 * pi) - density, half - end * density


def _end(share: float) -> float:
    """Where the share of |N(0, 1)| ends, of shares below 1 however near."""
    return NORMAL.inv_cdf(min((1 + share) / 2, MOST))
