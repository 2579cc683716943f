"""LS2xx that need the schedule: phases and modes of patterns that no step runs, activities in untrained modes."""

from __future__ import annotations

from ..passes.draft import Draft
from ..source.wording import quoted
from ..spec import Spec
from ..spec.averaging import static_scale
from ..spec.phase_steps import PhaseSteps, count_modes, end_step, main_modes, phase_steps
from ..summary_cadence import steps_text
from .findings import Findings


def check_phases(findings: Findings, draft: Draft) -> None:
    """Every phase, every mode of its pattern and the mode of every activity is run by some training step."""
    planned = phase_steps(draft.spec.cadence, draft.spec.train)
    if _phases_join(findings, draft.spec, planned):
        _check_patterns(findings, draft.spec, planned)
        _check_activities(findings, draft.spec)


def _phases_join(findings: Findings, spec: Spec, planned: tuple[PhaseSteps, ...]) -> bool:
    """Whether each phase begins within training and ends after it began; tells of the first that does not."""
    total = spec.train.known_steps
    for index, phase in enumerate(planned):
        if total is not None and phase.earliest >= total:
            findings.error("LS208", ("cadence", index), *_too_late(spec, index, phase))
            return False
        end = end_step(phase.phase.until, spec.train)
        if end is not None and end <= phase.earliest:
            message = f"this phase ends at step {end}, where it begins or earlier"
            findings.error("LS207", ("cadence", index, "until"), message, "phases end at ascending steps")
            return False
    return True


def _too_late(spec: Spec, index: int, phase: PhaseSteps) -> tuple[str, str]:
    """Message and hint for a phase that begins when training is over."""
    total, before = spec.train.known_steps, spec.cadence[index - 1].until
    assert before is not None and total is not None
    if before.kind == "lr_warmdown" and end_step(before, spec.train) == total:
        last = static_scale(spec.train, total - 1)
        message = f"this phase never begins: the last step's multiplier is {last:g}, the phase before waits for"
        hint = "raise lr_warmdown, lengthen train.schedule.warmdown_steps, or lower its floor"
        return f"{message} {before.value:g}", hint
    at = f"step {phase.earliest}" + ("" if phase.first is not None else " or later")
    return f"this phase begins at {at}; training ends after {total} steps", "begin it earlier, or train longer"


def _check_patterns(findings: Findings, spec: Spec, planned: tuple[PhaseSteps, ...]) -> None:
    for index, phase in enumerate(planned):
        if phase.steps is None or phase.phase.sample is not None:
            continue
        counts = count_modes(phase.phase, phase.steps, spec.train.seed)
        for mode in phase.phase.modes:
            if counts[mode]:
                continue
            entry = phase.phase.pattern.index(mode)
            length = len(phase.phase.pattern)
            findings.warning(
                "LS210",
                ("cadence", index, "pattern", entry),
                f"no step of this phase ({steps_text(phase.steps)}) runs mode {quoted(mode)}",
                f"entry {entry} is for steps that leave {entry} divided by {length}: lengthen the phase, or remove it",
            )


def _stops_by_data(findings: Findings, mode: str) -> bool:
    changes = findings.plain["modes"].get(mode, {}).values()
    return any("stop_below" in change.get("extra", {}) for change in changes)


def _check_activities(findings: Findings, spec: Spec) -> None:
    trained = main_modes(spec)
    after = {spec.activities[part.kind] for part in spec.train.finish}
    for mode in dict.fromkeys(spec.activities.values()):
        if mode in trained:
            continue
        names = [activity for activity, other in spec.activities.items() if other == mode]
        given = next((name for name in names if findings.given(("activities", name))), names[0])
        subject = f"activity {names[0]} runs" if len(names) == 1 else f"activities {', '.join(names)} run"
        if _stops_by_data(findings, mode):
            findings.warning(
                "LS220",
                ("activities", given),
                f"{subject} mode {mode}, which stops by the change over a whole batch, later tokens included: "
                "its scores are not causal, and depend on evaluate.batch_windows",
                "give its extra cycles without stop_below, or expect: [LS220]",
            )
            continue
        findings.warning(
            "LS211",
            ("activities", given),
            f"{subject} mode {mode}, which {'train.finish alone' if mode in after else 'no training step'} runs",
            f"set it to a mode that training runs ({', '.join(trained)}), or put {mode} into the cadence",
        )
