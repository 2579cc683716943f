"""The cadence for a reader: when each phase begins, how many steps each mode gets, and what activities run."""

from __future__ import annotations

from textwrap import wrap

from .spec import Spec
from .spec.cadence import Phase, Until
from .spec.phase_steps import PhaseSteps, main_modes, phase_steps, steps_by_mode

_WIDTH = 80


def cadence_lines(spec: Spec) -> list[str]:
    """A line for each phase, one for the steps by mode, and one for each mode that activities run."""
    lines: list[str] = []
    for phase in phase_steps(spec.cadence, spec.train):
        lines += _wrapped(f"{_when(phase)}: {phase_text(phase.phase)}")
    return [*lines, *_wrapped(_by_mode(spec)), *_finish(spec), *_activities(spec)]


def _finish(spec: Spec) -> list[str]:
    """A line for each part of `train.finish`."""
    return [
        line
        for part in spec.train.finish
        for line in _wrapped(f"then {part.kind}: {part.step_count:,} steps of {spec.activities[part.kind]}")
    ]


def phase_text(phase: Phase) -> str:
    """The modes of a phase in words."""
    if phase.sample is None:
        return ", ".join(phase.pattern) + (", repeated" if len(phase.pattern) > 1 else "")
    sample = phase.sample
    least, most = sample.loops
    drawn = f"poisson of mean {sample.mean:g}" if sample.mean is not None else sample.distribution
    return f"{sample.stage} loops {least} to {most} times, {drawn}"


def steps_text(steps: range) -> str:
    """`step 8`, or `steps 8 to 10`; a phase of no step is a fault that a spec may expect."""
    if not steps:
        return "no step"
    first, last = f"{steps[0]:,}", f"{steps[-1]:,}"
    return f"step {first}" if len(steps) == 1 else f"steps {first} to {last}"


def _when(planned: PhaseSteps) -> str:
    """The steps of a phase, with the condition where they were computed from one or the clock decides on them."""
    until = planned.phase.until
    end = "to the end" if until is None else f"until {_condition(until)}"
    if planned.steps is not None:
        return steps_text(planned.steps) + (f" ({end})" if until is not None and until.kind != "steps" else "")
    if planned.first is not None:
        return f"from step {planned.first:,} {end}"
    return f"then, at step {planned.earliest:,} or later, {end}"


def _condition(until: Until) -> str:
    match until.kind:
        case "steps":
            return f"step {until.value:,}"
        case "tokens":
            return f"{until.value:,} tokens"
        case "seconds":
            return f"{until.value:g} seconds of training"
        case "fraction":
            return f"{until.value:g} of training"
        case "lr_warmdown":
            return f"the multiplier is {until.value:g}"


def _by_mode(spec: Spec) -> str:
    """Nothing where there is one mode, which every phase shows."""
    if len({mode for phase in spec.cadence for mode in phase.modes}) == 1:
        return ""
    counts = steps_by_mode(spec)
    if counts is not None:
        return "steps by mode: " + ", ".join(f"{mode} {count:,}" for mode, count in counts.items())
    if any(planned.steps is None for planned in phase_steps(spec.cadence, spec.train)):
        return "steps by mode: known after the run, for the clock decides"
    return "steps by mode: not counted, for too many steps are sampled"


def _activities(spec: Spec) -> list[str]:
    """Activities by mode, and for a mode that no training step runs a line that says so."""
    trained = main_modes(spec)
    after = {spec.activities[part.kind] for part in spec.train.finish}
    lines: list[str] = []
    for mode in dict.fromkeys(spec.activities.values()):
        names = [activity for activity, other in spec.activities.items() if other == mode]
        lines += _wrapped(f"{', '.join(names)}: {mode}")
        if mode not in trained:
            lines += _wrapped(
                f"{'it runs' if len(names) == 1 else 'they run'} mode {mode}; "
                f"{'train.finish alone' if mode in after else 'no training step'} does",
                "    ",
            )
    return lines


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")
