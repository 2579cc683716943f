"""Packers compared at equal loss: curves of loss against bytes, read between their points, with paired errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from packers_measure import Record
from packers_methods import METHODS, OURS, Method

Floats = npt.NDArray[np.float64]

RISES = (0.005, 0.01, 0.02, 0.04)
"""Nats a token, at which methods are compared."""
RESAMPLES = 300
LEAST = 2e-4
"""Rises below this, in nats, count as this: they have a logarithm, and lie within the noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One method at all settings, from fine to coarse.

    Attributes:
        bytes: (settings,) mean over the seeds for which the codec was run.
        rises: (settings, seeds, sequences); one that knows no seeds is repeated.
    """

    method: Method
    settings: tuple[float, ...]
    bytes: Floats
    rises: Floats

    @property
    def mean(self) -> Floats:
        """(settings,)."""
        found: Floats = self.rises.mean((1, 2))
        return found

    @property
    def error(self) -> Floats:
        """(settings,) standard error over sequences of the mean over seeds; paired, as every rise is a difference."""
        means = self.rises.mean(1)
        found: Floats = means.std(1, ddof=1) / np.sqrt(means.shape[1]) if means.shape[1] > 1 else np.zeros(len(means))
        return found

    def bytes_at(self, rises: Sequence[float], draws: Draws) -> Floats:
        """(draws, rises): bytes at which the mean over a draw's seeds and sequences is each of `rises`."""
        means = np.einsum("asq,ds,dq->da", self.rises, draws.seeds, draws.sequences, optimize=True)
        return np.array([interpolated(self.bytes, row, rises) for row in means])


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Shares (draws, seeds) and (draws, sequences) of each in a mean; of all alike in the first draw."""

    seeds: Floats
    sequences: Floats


def draws_of(seeds: int, sequences: int) -> Draws:
    """All alike, and then as often as each comes when as many are drawn anew with replacement."""
    generator = np.random.default_rng(0)
    return Draws(_shares(generator, seeds), _shares(generator, sequences))


def _shares(generator: np.random.Generator, count: int) -> Floats:
    drawn = generator.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    found: Floats = np.vstack([np.ones(count), drawn]) / count
    return found


def interpolated(sizes: Floats, rises: Floats, wanted: Sequence[float]) -> Floats:
    """Bytes at each of the rises `wanted`; nan outside of what was measured.

    Straight in the rise's logarithm, between neighbours of the curve nearest to the points that rises as bytes fall.
    """
    order = np.argsort(sizes)[::-1]
    logs = np.log(np.maximum(falling(rises[order]), LEAST))
    return np.interp(np.log(wanted), logs, sizes[order], left=np.nan, right=np.nan)


def falling(rises: Floats) -> Floats:
    """Least squares fit that never falls from one point to the next: pools adjacent violators."""
    pools: list[tuple[float, int]] = []
    for rise in rises:
        pools.append((float(rise), 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (second, more), (first, count) = pools.pop(), pools.pop()
            pools.append(((first * count + second * more) / (count + more), count + more))
    return np.concatenate([np.full(count, value) for value, count in pools])


@dataclass(frozen=True, slots=True)
class Saving:
    """A method at one rise.

    Attributes:
        bytes: that it takes there, nan where it was not measured so far.
        saved: share of them that ours takes less.
        error: standard error of that share, over sequences and seeds, the same for both.
    """

    bytes: float
    saved: float
    error: float


def curves(records: Sequence[Record], seeds: int, *, divergences: bool = False) -> list[Curve]:
    """The curve of every method whose records are all there; `divergences` in place of rises."""
    known: dict[str, dict[float, dict[int, Record]]] = {}
    for record in records:
        known.setdefault(record.quantizer, {}).setdefault(record.setting, {})[record.seed] = record
    found = []
    for method in METHODS:
        by_setting = known.get(method.quantizer, {})
        if by_setting:
            found.append(_curve(method, by_setting, seeds, divergences))
    return found


def _curve(method: Method, by_setting: Mapping[float, Mapping[int, Record]], seeds: int, divergences: bool) -> Curve:
    sizes, rises, codec = [], [], str(method.codec.kind)
    for by_seed in by_setting.values():
        rows = [by_seed.get(seed, by_seed[0]) for seed in range(seeds)]
        sizes.append(np.mean([row.bytes[codec] for row in rows if codec in row.bytes]))
        rises.append([row.divergences if divergences else row.rises for row in rows])
    return Curve(method, tuple(by_setting), np.array(sizes), np.array(rises))


def savings(found: Sequence[Curve], rises: Sequence[float] = RISES) -> dict[str, list[Saving]]:
    """Every method by its key, at each of `rises`; errors from seeds and sequences drawn anew, the same for both."""
    ours = next(curve for curve in found if curve.method is OURS)
    draws = draws_of(*ours.rises.shape[1:])
    own = ours.bytes_at(rises, draws)
    rows = {}
    for curve in found:
        sizes = curve.bytes_at(rises, draws)
        saved = 1 - own / sizes
        rows[curve.method.key] = [_saving(*columns) for columns in zip(sizes.T, saved.T, strict=True)]
    return rows


def _saving(sizes: Floats, saved: Floats) -> Saving:
    """Of bytes and shares (draws,); no error where most draws do not reach the rise."""
    kept = saved[1:][np.isfinite(saved[1:])]
    error = float(kept.std()) if len(kept) > RESAMPLES / 2 else float("nan")
    return Saving(float(sizes[0]), float(saved[0]), error)
