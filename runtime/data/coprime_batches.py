"""Training batches of windows visited by a stride that is coprime to their number."""

import math

import numpy as np

from .window_batches import Visit, WindowBatches

CANDIDATES = 32
NEIGHBOURS = 64


class CoprimeBatches(WindowBatches):
    """Window first + index * stride, modulo their number: each once an epoch, without an order in memory.

    Source: parameter-golf PR #1060, which does so within each shard; here over the whole stream. Of `CANDIDATES` random
    strides that one is taken which keeps up to `NEIGHBOURS` windows that follow each other furthest apart in the
    stream, so that the sequences of a batch come from different documents.
    """

    NAME = "coprime"

    def _draw_order(self, generator: np.random.Generator, windows: int) -> Visit:
        first = int(generator.integers(windows))
        stride = draw_stride(generator, windows)
        return lambda index: (first + index * stride) % windows


def draw_stride(generator: np.random.Generator, windows: int) -> int:
    """A stride in [1, windows) coprime to `windows` (1 for a single window) that keeps neighbours apart."""
    if windows == 1:
        return 1
    candidates: list[int] = []
    while len(candidates) < CANDIDATES:
        stride = int(generator.integers(1, windows))
        if math.gcd(stride, windows) == 1:
            candidates.append(stride)
    return max(candidates, key=lambda stride: nearest_neighbour(stride, windows))


def nearest_neighbour(stride: int, windows: int) -> int:
    """Least distance, in windows, between any two of `NEIGHBOURS` + 1 visits that follow each other."""
    steps = (number * stride % windows for number in range(1, min(NEIGHBOURS, windows - 1) + 1))
    return min(min(step, windows - step) for step in steps)
