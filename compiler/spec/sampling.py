"""The draw of a sampling phase: the same for every rank, platform and resumed run, since seed and step decide alone."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache
from hashlib import sha256
from itertools import accumulate

from .cadence import Phase, Sample

_BITS = 64
_DIGITS = 60  # of the Poisson probabilities; far more than 64 bits need


def mode_at(phase: Phase, seed: int, step: int) -> str:
    """Mode of optimizer step `step`, counted from 0, in its phase.

    A pattern repeats over the absolute step, `pattern[step % len(pattern)]`, as in the published runs, so a change of
    phase does not restart it at its first entry.
    """
    if phase.sample is None:
        return phase.pattern[step % len(phase.pattern)]
    return phase.sample.mode(draw_loops(phase.sample, seed, step))


def draw_loops(sample: Sample, seed: int, step: int) -> int:
    """How often the sampled stage loops in a step.

    The number is inverted from u / 2^64, where u is the first 8 bytes, big-endian, of sha256("loops SEED STEP"): the
    first count whose cumulative probability is above it.
    """
    u = int.from_bytes(sha256(f"loops {seed} {step}".encode()).digest()[: _BITS // 8])
    least, most = sample.loops
    if sample.mean is None:
        return least + (u * (most - least + 1) >> _BITS)
    return next((least + index for index, bound in enumerate(_bounds(sample)) if u < bound), most)


@cache
def _bounds(sample: Sample) -> tuple[int, ...]:
    """2^64 times the Poisson probability of at most n, for n from the least count to the one below the most."""
    assert sample.mean is not None
    least, most = sample.loops
    with localcontext() as context:  # decimals, whose exponential is correctly rounded on every platform
        context.prec = _DIGITS
        mean = Decimal(str(sample.mean))
        terms = accumulate(range(1, most), lambda term, n: term * mean / n, initial=(-mean).exp())
        return tuple(int(below * 2**_BITS) for below in accumulate(terms))[least:]
