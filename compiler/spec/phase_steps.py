"""When phases begin and how many steps each mode gets, as far as that is known before the run."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from . import Spec
from .cadence import Phase, Until
from .sampling import mode_at
from .schedule import lr_scale
from .train import Train

MOST_COUNTED_DRAWS = 100_000
"""Sampled steps that are drawn ahead for the count of steps by mode; about a tenth of a second."""


@dataclass(frozen=True, slots=True)
class PhaseSteps:
    """The steps of a phase.

    Attributes:
        first: its first step; None where an earlier phase ends by the clock.
        earliest: its first step at the earliest, which is `first` where that is known.
        end: the first step at which its own `until` holds, or the end of training; None: the clock tells.
    """

    phase: Phase
    first: int | None
    earliest: int
    end: int | None

    @property
    def steps(self) -> range | None:
        """The steps that it runs, or None where the clock decides on them; past the end of training are none."""
        return None if self.first is None or self.end is None else range(self.first, max(self.end, self.first))


def end_step(until: Until | None, train: Train) -> int | None:
    """The first step at which a phase is over, counted from 0; None: the clock tells.

    Without `until`, and where the multiplier never falls that far, it is the end of training.
    """
    total = train.stop.steps
    if until is None:
        return total
    match until.kind:
        case "steps":
            return int(until.value)
        case "tokens":
            return -(-int(until.value) // train.batch_tokens)
        case "fraction":
            return ceil(Fraction(str(until.value)) * total)  # the decimal as written: 0.07 of 100 is 7, not 8
        case "lr_warmdown":
            start = min(train.schedule.warmup_steps, total)
            return _first_at_most(train, range(start, total), until.value)
        case "seconds":
            return None


def _first_at_most(train: Train, steps: range, value: float) -> int:
    """The first of the steps whose multiplier is at most `value`, else their end; after warm-up it never rises."""
    total = train.stop.steps
    return steps.start + bisect_left(steps, True, key=lambda step: lr_scale(train.schedule, total, step) <= value)


def phase_steps(cadence: Sequence[Phase], train: Train) -> tuple[PhaseSteps, ...]:
    """The steps of every phase; none goes beyond the end of training."""
    planned: list[PhaseSteps] = []
    first: int | None = 0
    earliest = 0
    for phase in cadence:
        end = end_step(phase.until, train)
        planned.append(PhaseSteps(phase, first, earliest, None if end is None else min(end, train.stop.steps)))
        earliest = earliest if end is None else max(earliest, end)
        first = None if first is None or end is None else earliest
    return tuple(planned)


def steps_by_mode(spec: Spec) -> dict[str, int] | None:
    """How many training steps run each mode, 0 for those that the cadence names in vain; most first.

    None where nobody knows before the run: a phase ends by the clock, or more steps are sampled than are drawn ahead.
    """
    counts = Counter({mode: 0 for phase in spec.cadence for mode in phase.modes})
    draws = 0
    for planned in phase_steps(spec.cadence, spec.train):
        steps = planned.steps
        draws += len(steps or ()) if planned.phase.sample is not None else 0
        if steps is None or draws > MOST_COUNTED_DRAWS:
            return None
        counts.update(count_modes(planned.phase, steps, spec.train.seed))
    return dict(counts.most_common())


def trained_modes(spec: Spec) -> tuple[str, ...]:
    """The modes that some training step runs; those that one may run, where the numbers of steps are not known."""
    counts = steps_by_mode(spec)
    if counts is not None:
        return tuple(mode for mode, count in counts.items() if count)
    return tuple(dict.fromkeys(mode for phase in spec.cadence for mode in phase.modes))


def count_modes(phase: Phase, steps: range, seed: int) -> Counter[str]:
    """How many of the phase's steps run each mode."""
    if phase.sample is not None:
        return Counter(mode_at(phase, seed, step) for step in steps)
    counts: Counter[str] = Counter()
    rounds, rest = divmod(len(steps), len(phase.pattern))
    for index, mode in enumerate(phase.pattern):
        offset = (index - steps.start) % len(phase.pattern)
        counts[mode] += rounds + (offset < rest)
    return counts
