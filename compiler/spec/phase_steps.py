"""When phases begin and how many steps each mode gets, as far as that is known before the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from . import Spec
from .averaging import first_true, static_scale, step_at_share
from .cadence import Phase, Until
from .clock import Moment, share_done
from .sampling import mode_at
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
    total, clock = train.known_steps, train.schedule.clock
    if until is None:
        return total
    match until.kind:
        case "steps":
            return int(until.value)
        case "tokens":
            return train.step_at_tokens(int(until.value))
        case "fraction":
            return None if clock == "seconds" else step_at_share(train, until.value)
        case "lr_warmdown":
            if clock == "seconds" or total is None:
                return None
            after = range(min(train.schedule.warmup_steps, total), total)
            return first_true(after, lambda step: static_scale(train, step) <= until.value)
        case "seconds":
            return None


def is_over(until: Until, train: Train, moment: Moment, scale: float) -> bool:
    """Whether a phase is over for a step that begins at `moment` with this learning-rate multiplier."""
    match until.kind:
        case "steps":
            return moment.step >= until.value
        case "tokens":
            return moment.tokens >= until.value
        case "seconds":
            return moment.seconds >= until.value
        case "fraction":
            return share_done(train.stop, train.schedule.clock, moment, until.value)
        case "lr_warmdown":
            return moment.step >= train.schedule.warmup_steps and scale <= until.value


def phase_steps(cadence: Sequence[Phase], train: Train) -> tuple[PhaseSteps, ...]:
    """The steps of every phase; none goes beyond the end of training."""
    planned: list[PhaseSteps] = []
    first: int | None = 0
    earliest, total = 0, train.known_steps
    for phase in cadence:
        end = end_step(phase.until, train)
        planned.append(PhaseSteps(phase, first, earliest, end if end is None or total is None else min(end, total)))
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


def main_modes(spec: Spec) -> tuple[str, ...]:
    """The modes that some step of training runs; those that one may run, where the numbers of steps are not known."""
    counts = steps_by_mode(spec)
    if counts is not None:
        return tuple(mode for mode, count in counts.items() if count)
    return tuple(dict.fromkeys(mode for phase in spec.cadence for mode in phase.modes))


def trained_modes(spec: Spec) -> tuple[str, ...]:
    """Those, and the modes of what follows training."""
    return tuple(dict.fromkeys([*main_modes(spec), *(spec.activities[part.kind] for part in spec.train.finish)]))


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
