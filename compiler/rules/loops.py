"""What acts between or after loops: detours, auxiliary losses, truncated backpropagation, skip traces."""

from __future__ import annotations

from ..passes.draft import Draft
from ..spec.cadence import FULL
from ..spec.phase_steps import trained_modes
from .findings import Findings
from .places import StageView


def check_loops(findings: Findings, view: StageView) -> None:
    """Features of loops have loops to act on."""
    if not view.parallel:
        for feature in ("between", "auxiliary_loss"):
            if view.plain[feature] is not None and view.loops == 1:
                message = f"{feature} in a stage that runs once: it acts between loops"
                findings.error("LS540", (*view.path, feature), message, "remove it, or set loops above 1", key=True)
        _check_backpropagation(findings, view)
        _check_auxiliary_loss(findings, view)
    _check_skip_trace(findings, view)


def check_trained_loops(findings: Findings, draft: Draft) -> None:
    """What only training knows of loops acts in some mode that training runs."""
    assert draft.table is not None
    programs = [draft.table.programs[mode] for mode in trained_modes(draft.spec)]
    entered = [event for program in programs for event in program if event.kind == "enter"]
    for index, stage in enumerate(draft.spec.architecture.stages):
        fixed = stage.auxiliary_loss is not None and stage.auxiliary_loss.kind == "fixed"
        loops_without = {"auxiliary_loss": 1 if fixed else None, "backpropagate_loops": stage.backpropagate_loops}
        for feature, most in loops_without.items():
            paths = [event.path for event in entered if event.stage.name == stage.name]
            acts = most is None or any(path.loops > most and feature not in path.without for path in paths)
            if not acts and most is not None and stage.loops > most:  # else the document's rule has said it
                findings.error(
                    "LS540",
                    ("graph", index, feature),
                    f"{feature} acts where the stage loops more than {most} time{'' if most == 1 else 's'}, "
                    "and no training step runs such a mode with it",
                    "put such a mode into the cadence, or remove it",
                    key=True,
                )


def _check_backpropagation(findings: Findings, view: StageView) -> None:
    kept = view.plain["backpropagate_loops"]
    if kept is not None and kept >= view.loops:
        findings.error(
            "LS540",
            (*view.path, "backpropagate_loops"),
            f"gradients flow through {kept} loops, and the stage has {view.loops}: nothing is cut",
            "use fewer than the stage's loops, or remove it",
            related=findings.related((*view.path, "loops"), "the loops")
            if findings.given((*view.path, "loops"))
            else (),
        )


def _check_auxiliary_loss(findings: Findings, view: StageView) -> None:
    loss = view.plain["auxiliary_loss"]
    if loss is None or view.loops == 1:
        return
    path = (*view.path, "auxiliary_loss")
    if loss["kind"] == "fixed":
        weights = loss["weights"]
        if len(weights) != view.loops - 1:
            message = f"{len(weights)} weights for {view.loops - 1} loops before the last of {view.loops}"
            findings.error("LS128", (*path, "weights"), message, "give one for each loop but the last")
        elif not any(weights):
            findings.error("LS540", (*path, "weights"), "all weights are 0: the losses count nothing", "remove them")
        return
    others = [
        index
        for index, stage in enumerate(findings.stages())
        if index < view.index and (stage["auxiliary_loss"] or {}).get("kind") == "learned"
    ]
    if others:
        first = findings.related(("graph", others[0], "auxiliary_loss"), "the first")
        message = "a second stage with learned loss weights: one softmax weighs the model's own loss"
        findings.error("LS128", path, message, "use kind: fixed in one of them", key=True, related=first)
    elif view.entries > 1:
        message = f"learned loss weights in a stage that runs {view.entries} times inside another"
        findings.error("LS128", path, message, "use kind: fixed, or put the losses on the outer stage", key=True)


def _check_skip_trace(findings: Findings, view: StageView) -> None:
    if view.plain["skip_trace"] is None:
        return
    path = (*view.path, "skip_trace")
    if view.entries > 1:
        message = f"a skip trace in a stage that runs {view.entries} times a step: it keeps one change"
        findings.error("LS131", path, message, "remove it, or let the stage run once a step", key=True)
        return
    used = {mode for phase in findings.plain["cadence"] for mode in phase.get("pattern", ())} - {FULL}
    modes = [change for name, change in findings.plain["modes"].items() if name in used]
    if not any(change.get(view.name, {}).get("loops") == 0 for change in modes):
        return  # LS504 or LS505 will say that its stores never run, or not in training
    findings.warning(
        "LS517",
        path,
        "a skip trace adds what the stage did to an earlier batch, position by position, to a batch of other text",
        "it is as published (PR 579); expect: [LS517] says that it is meant",
        key=True,
    )
