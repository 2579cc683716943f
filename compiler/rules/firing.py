"""LS123, LS518, LS541: parallel firings, and the rules that combine them."""

from __future__ import annotations

from ..operations import FIRING_RULES
from ..spec.cadence import SINGLE
from .findings import Findings
from .places import StageView

SEQUENTIAL_ONLY = {
    "between": "nothing lies between firings that all begin with the same stream",
    "auxiliary_loss": "a firing is no step on the way to the last one",
    "backpropagate_loops": "gradients of one firing do not flow through another",
}


def check_firing(findings: Findings, view: StageView) -> None:
    """Parallel firings differ, are as many as the rule combines, and none of what needs a sequence of loops."""
    if not view.parallel:
        return
    path, combine = (*view.path, "firing"), view.plain["firing"]["combine"]
    if view.loops == 1:
        message = "parallel firings of a stage that runs once"
        findings.error("LS540", path, message, "set loops above 1, or remove `firing`", key=True)
        return
    exactly = FIRING_RULES[combine["kind"]].exactly
    if exactly not in (None, view.loops):
        findings.error(
            "LS123",
            (*path, "combine", "kind"),
            f"the formula of {combine['kind']} is made for {exactly} firings; the stage has {view.loops}",
            f"set loops: {exactly}, use combine: {{kind: mean}}, or firing: {{kind: sequential}}",
            related=findings.related((*view.path, "loops"), "the number of firings"),
        )
    for feature, reason in SEQUENTIAL_ONLY.items():
        if view.plain[feature] is not None:
            hint = f"remove it, or use firing: {{kind: sequential}} in stage {view.name}"
            message = f"{feature} in a stage that fires in parallel: {reason}"
            findings.error("LS123", (*view.path, feature), message, hint, key=True)
    skips = view.plain["skips"]
    if skips is not None and skips["scope"] == "path":
        message = "skips over all loops in a stage that fires in parallel: each firing begins anew"
        findings.error("LS123", (*view.path, "skips", "scope"), message, "use scope: pass")
    if combine["kind"] == "ema_gate":
        _check_average(findings, view)
    if combine["kind"] == "last":
        _check_last(findings, view)
    elif not _firings_differ(findings, view):
        findings.error(
            "LS540",
            path,
            "all firings compute the same: nothing in the stage differs from loop to loop",
            "add a loop_vector, or remove `firing` and set loops: 1",
            key=True,
        )


def _check_average(findings: Findings, view: StageView) -> None:
    """The running average is of one run of the stage a step, and is read by steps with one firing alone."""
    plain = findings.plain
    if view.entries > 1:
        message = f"ema_gate in a stage that runs {view.entries} times a step: it keeps one average"
        hint = "use combine: {kind: self_gate}, or let the stage run once a step"
        findings.error("LS131", (*view.path, "firing", "combine", "kind"), message, hint)
        return
    used = set(plain["activities"].values())
    for phase in plain["cadence"]:
        used |= set(phase.get("pattern", ()))
        sample = phase.get("sample")
        if sample is not None and sample["stage"] == view.name and sample["loops"][0] == 1:
            return
    modes = {SINGLE: {view.name: {"loops": 1}}} | plain["modes"]
    if any(modes.get(mode, {}).get(view.name, {}).get("loops") == 1 for mode in used):
        return
    message = "ema_gate keeps an average for passes with one firing, and no step and no activity has one"
    hint = (
        "use a mode with one loop of the stage, such as single; or combine: {kind: self_gate}, which computes the same"
    )
    findings.warning("LS541", (*view.path, "firing", "combine", "kind"), message, hint)


def _check_last(findings: Findings, view: StageView) -> None:
    findings.warning(
        "LS518",
        (*view.path, "firing", "combine", "kind"),
        "the last firing's output is the stage's: earlier firings change nothing and are not run, "
        "nor are their loop vectors used",
        "set loops: 1 to say the same, or combine them with mean or a gate",
    )
    for place in view.places:
        if len(place.key) == 1 and place.where is not None and place.where.loops is None and place.key[0] != "place":
            findings.error(
                "LS123",
                (*view.path, *place.key),
                f"{place.key[0]} in every loop, and of these firings only the last is run: other modes run others",
                f"say {{positions: ..., loops: [{view.loops - 1}]}}, or combine the firings with mean",
                key=True,
            )


def _firings_differ(findings: Findings, view: StageView) -> bool:
    stage = view.plain
    by_loop = ("loop_vector", "position_vector", "delta", "value_residual", "lanes")
    if any(stage[feature] is not None for feature in by_loop) or stage["private"]:
        return True
    if any(other["inside"] == view.name for other in findings.stages()):
        return True  # an inner stage may have parts of its own at each entry
    return any(
        {step for step, loop in view.spots(*place.key) if loop == other}
        != {step for step, loop in view.spots(*place.key) if loop == 0}
        for place in view.places
        for other in view.loops_run
    )
