"""A byte-level order-3 model: what three bytes of context give, as a yardstick between a compressor and a network.

Smoothing is interpolated Kneser-Ney (Chen and Goodman 1998, TR-10-98): at each order k from 0 to 3

    p_k(x | c) = max(n(c x) - D, 0) / n(c) + D * u(c) / n(c) * p_{k-1}(x | c without its first byte)

with n the counts of the training text at order 3 and, below, the number of distinct bytes seen before c x; u(c) the
number of distinct bytes after c; D = n1 / (n1 + 2 n2) from the numbers of counts that are one and two; p_{-1} = 1/256.
A context never seen passes straight to the next lower order. The model is static: it learns nothing while it scores.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ORDER = 3
Keys = npt.NDArray[np.uint32]
Values = npt.NDArray[np.float64]
PADDING = b"\n" * ORDER  # the context of a text's first bytes


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """Counts of one order: sorted keys (context << 8 | byte) and sorted contexts."""

    keys: Keys
    counts: npt.NDArray[np.int64]
    contexts: Keys
    totals: npt.NDArray[np.int64]
    distinct: npt.NDArray[np.int64]
    discount: float

    def interpolate(self, keys: Keys, lower: Values) -> Values:
        """p_k for each of `keys`, given p_{k-1}."""
        count, _ = _look_up(self.keys, self.counts, keys)
        contexts = keys >> np.uint32(8)
        total, seen = _look_up(self.contexts, self.totals, contexts)
        distinct, _ = _look_up(self.contexts, self.distinct, contexts)
        share = np.maximum(count - self.discount, 0) + self.discount * distinct * lower
        return np.where(seen, share / np.maximum(total, 1), lower)


class Order3Model:
    """Trained on one text; gives the probability of every byte of another."""

    def __init__(self, text: bytes) -> None:
        """Count `text`; about a second for 10 MB.

        Raises:
            ValueError: `text` is empty.
        """
        if not text:
            raise ValueError("the text to train on is empty; give at least one byte")
        keys, counts = np.unique(_keys(text), return_counts=True)
        levels = [_level(keys, counts)]
        for order in range(ORDER - 1, -1, -1):
            # Each distinct longer key counts once: a byte is likely after few bytes of context if it follows many.
            keys, counts = np.unique(keys & np.uint32((1 << 8 * (order + 1)) - 1), return_counts=True)
            levels.append(_level(keys, counts))
        self._levels = levels[::-1]

    def probabilities(self, text: bytes) -> Values:
        """Probability (n,) of each byte of `text` given the three before it."""
        keys = _keys(text)
        result = np.full(len(keys), 1 / 256)
        for order, level in enumerate(self._levels):
            result = level.interpolate(keys & np.uint32((1 << 8 * (order + 1)) - 1), result)
        return result


def order3_bits_per_byte(train: bytes, text: bytes) -> float:
    """Bits per byte of `text` under an order-3 model of `train`.

    Raises:
        ValueError: one of them is empty.
    """
    if not text:
        raise ValueError("the text to score is empty; give at least one byte")
    return float(-np.log2(Order3Model(train).probabilities(text)).mean())


def _keys(text: bytes) -> Keys:
    """Each byte with the three before it, as one 32-bit number, oldest first."""
    padded = np.frombuffer(PADDING + text, dtype=np.uint8).astype(np.uint32)
    size = len(text)
    keys = np.zeros(size, dtype=np.uint32)
    for offset in range(ORDER + 1):
        keys = (keys << np.uint32(8)) | padded[offset : offset + size]
    return keys


def _level(keys: Keys, counts: npt.NDArray[np.int64]) -> _Level:
    contexts, first, distinct = np.unique(keys >> np.uint32(8), return_index=True, return_counts=True)
    totals = np.add.reduceat(counts, first)
    ones, twos = int((counts == 1).sum()), int((counts == 2).sum())
    # With no count of one there is nothing to estimate from; half a count keeps every byte possible.
    discount = ones / (ones + 2 * twos) if ones else 0.5
    return _Level(keys, counts, contexts, totals, distinct, discount)


def _look_up(
    table: Keys, values: npt.NDArray[np.int64], keys: Keys
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The value of each key, 0 where it is absent, and whether it is there."""
    place = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    found = table[place] == keys
    return np.where(found, values[place], 0), found
