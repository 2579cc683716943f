"""LS2xx: modes that change nothing or cannot run, and patterns that name what is not there."""

from __future__ import annotations

from ..graph.executions import FULL, SINGLE
from ..source.wording import did_you_mean, quoted
from .findings import Findings


def check_modes(findings: Findings) -> None:
    """Declared modes, the cadence's phases, and the modes of activities."""
    stages = {stage["stage"]: stage["loops"] for stage in findings.stages()}
    _check_declared(findings, stages)
    loops = any(count > 1 for count in stages.values())
    known = [
        FULL,
        *([SINGLE] if loops else []),
        *(mode for mode in findings.plain["modes"] if mode not in (FULL, SINGLE)),
    ]
    for phase_index, phase in enumerate(findings.plain["cadence"]):
        for index, mode in enumerate(phase["pattern"]):
            _check_known(findings, ("cadence", phase_index, "pattern", index), mode, known)
    for activity, mode in findings.plain["activities"].items():
        _check_known(findings, ("activities", activity), mode, known)
    _check_phases(findings)
    _check_unused(findings)


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


def _check_declared(findings: Findings, stages: dict[str, int]) -> None:
    for name, change in findings.plain["modes"].items():
        if name == FULL:
            findings.error(
                "LS203",
                ("modes", name),
                "mode full is what the graph says and cannot be changed",
                "change the graph, or use another name",
                key=True,
            )
            continue
        for stage, values in change.items():
            if stage not in stages:
                findings.error(
                    "LS204",
                    ("modes", name, stage),
                    f"no stage is named {quoted(stage)}",
                    did_you_mean(stage, list(stages)),
                    key=True,
                )
            elif values["loops"] > stages[stage]:
                loops = values["loops"]
                message = f"mode {quoted(name)} loops stage {quoted(stage)} {loops} times, the graph {stages[stage]}"
                hint = "a mode can loop a stage at most as often as the graph"
                findings.error("LS205", ("modes", name, stage, "loops"), message, hint)
        if all(stages.get(stage) == values["loops"] for stage, values in change.items()):
            findings.error(
                "LS206",
                ("modes", name),
                f"mode {quoted(name)} is the same as mode full",
                "change the loops of a stage, or remove it",
                key=True,
            )


def _check_phases(findings: Findings) -> None:
    phases = findings.plain["cadence"]
    steps = findings.plain["train"]["stop"]["steps"]
    start = 0
    for index, phase in enumerate(phases):
        last = index == len(phases) - 1
        if ("until" not in phase) != last:
            message = (
                "the last phase has an `until`, so later steps have no mode"
                if last
                else "a phase without `until` never ends; later phases never begin"
            )
            findings.error("LS207", ("cadence", index), message, "every phase but the last needs `until`")
            return
        if start >= steps:
            findings.error(
                "LS208",
                ("cadence", index),
                f"this phase begins at step {start}; training ends after {steps} steps",
                "begin it earlier, or train longer",
            )
        if not last:
            if phase["until"]["steps"] <= start:
                findings.error(
                    "LS207",
                    ("cadence", index, "until"),
                    f"this phase ends at step {phase['until']['steps']}, where it begins or earlier",
                    "phases end at ascending steps",
                )
            start = phase["until"]["steps"]


def _check_unused(findings: Findings) -> None:
    used = {mode for phase in findings.plain["cadence"] for mode in phase["pattern"]}
    used |= set(findings.plain["activities"].values())
    for name in findings.plain["modes"]:
        if name not in used:
            findings.warning(
                "LS209",
                ("modes", name),
                f"mode {quoted(name)} is declared and never runs",
                "use it in the cadence or in activities, or remove it",
                key=True,
            )
