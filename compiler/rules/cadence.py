"""LS2xx: modes that change nothing or cannot run, and phases that name what is not there or do not join."""

from __future__ import annotations

from typing import Any

from ..source.wording import did_you_mean, quoted
from ..spec.cadence import FULL, SINGLE, sampled_name
from .findings import Findings, YamlPath


def check_modes(findings: Findings) -> None:
    """Declared modes, the cadence's phases, and the modes of activities."""
    stages = {stage["stage"]: stage["loops"] for stage in findings.stages()}
    sampled = _check_samples(findings, stages)
    loops = any(count > 1 for count in stages.values())
    known = [
        FULL,
        *([SINGLE] if loops else []),
        *(mode for mode in findings.plain["modes"] if mode not in (FULL, SINGLE)),
        *sampled,
    ]
    for phase_index, phase in enumerate(findings.plain["cadence"]):
        for index, mode in enumerate(phase.get("pattern", ())):
            _check_known(findings, ("cadence", phase_index, "pattern", index), mode, known)
    for activity, mode in findings.plain["activities"].items():
        _check_known(findings, ("activities", activity), mode, known)
    _check_phases(findings)
    _check_unused(findings)


def _check_samples(findings: Findings, stages: dict[str, int]) -> list[str]:
    """The modes that sampling phases bring along."""
    sampled: list[str] = []
    for index, phase in enumerate(findings.plain["cadence"]):
        if ("pattern" in phase) == ("sample" in phase):
            message = "this phase has both `pattern` and `sample`" if "sample" in phase else "this phase has no modes"
            findings.error("LS212", ("cadence", index), message, "give it either `pattern` or `sample`")
        elif "sample" in phase:
            sampled += _check_sample(findings, ("cadence", index, "sample"), phase["sample"], stages)
    for name in dict.fromkeys(sampled):
        if name in findings.plain["modes"]:
            message = f"mode {quoted(name)} is declared, and a phase that samples brings one of this name"
            findings.error("LS215", ("modes", name), message, "rename it, or remove it if it is the same", key=True)
    return sampled


def _check_sample(findings: Findings, path: YamlPath, sample: dict[str, Any], stages: dict[str, int]) -> list[str]:
    stage, (least, most) = sample["stage"], sample["loops"]
    if stage not in stages:
        hint = did_you_mean(stage, list(stages))
        findings.error("LS213", (*path, "stage"), f"no stage is named {quoted(stage)}", hint)
        return []
    if least > most:
        message = f"the least number of loops, {least}, is above the most, {most}"
        findings.error("LS214", (*path, "loops"), message, "write the smaller first")
    elif most > stages[stage]:
        message = f"up to {most} loops of stage {quoted(stage)} are drawn, the graph has {stages[stage]}"
        findings.error("LS214", (*path, "loops"), message, "a step can loop a stage at most as often as the graph")
    # with the counts that were just refused, so that their uses are not reported as well
    return [sampled_name(stage, loops) for loops in range(least, most + 1) if loops != stages[stage]]


def _check_known(findings: Findings, path: tuple[str | int, ...], mode: str, known: list[str]) -> None:
    if mode in known:
        return
    if mode == SINGLE:
        findings.error(
            "LS202",
            path,
            "mode single on a model without loops: it would be mode full",
            "give a stage loops above 1, or use full",
        )
    else:
        findings.error("LS201", path, f"no mode is named {quoted(mode)}", did_you_mean(mode, known))


def _check_phases(findings: Findings) -> None:
    """Every phase but the last has an end; when that comes is a question of the plan."""
    phases = findings.plain["cadence"]
    for index, phase in enumerate(phases):
        last = index == len(phases) - 1
        if last == ("until" in phase):
            message = (
                "the last phase has an `until`, so later steps have no mode"
                if last
                else "a phase without `until` never ends; later phases never begin"
            )
            findings.error("LS207", ("cadence", index), message, "every phase but the last needs `until`")
            return


def _check_unused(findings: Findings) -> None:
    used = {mode for phase in findings.plain["cadence"] for mode in phase.get("pattern", ())}
    used |= set(findings.plain["activities"].values())
    for name in findings.plain["modes"]:
        if name not in used:
            findings.warning(
                "LS209",
                ("modes", name),
                f"mode {quoted(name)} is declared, and neither training nor an activity runs it",
                "put it into the cadence or activities; for `loopspec eval --mode` alone, expect: [LS209]",
                key=True,
            )
