"""LS126: positions that drop a sublayer or run it twice."""

from __future__ import annotations

from .findings import Findings
from .places import Key, StageView

NEEDS: dict[Key, str] = {
    ("place", "value_embedding"): "attention",
    ("place", "xsa"): "attention",
    ("private", "attention"): "attention",
    ("private", "attention_scale"): "attention",
    ("private", "gain"): "attention",
    ("private", "value_scale"): "attention",
    ("value_residual",): "attention",
    ("private", "mlp"): "mlp",
    ("private", "mlp_scale"): "mlp",
}
"""What is placed on positions, and the sublayer that it acts on."""

FIRST = {(0, 0)}
"""Hands on its values, and takes none."""


def check_branches(findings: Findings, view: StageView) -> None:
    """Something remains of each position, and nothing acts on what was dropped."""
    _check_nothing_left(findings, view)
    for branch in ("attention", "mlp"):
        dropped = view.spots("drop", branch)
        if dropped:
            _check_dropped(findings, view, branch)
        both = dropped & view.spots("refire", branch)
        if both:
            message = f"position {min(both)[0]} leaves out its {branch} and runs it twice"
            related = findings.related(view.place_path("drop", branch), "left out here")
            findings.error(
                "LS126", view.place_path("refire", branch), message, "take it out of one of the two", related=related
            )
        for section in ("drop", "refire"):
            _check_arrangement(findings, view, section, branch)


def _check_nothing_left(findings: Findings, view: StageView) -> None:
    empty = view.spots("drop", "attention") & view.spots("drop", "mlp")
    if empty:
        path = view.place_path("drop", "mlp")
        message = f"position {min(empty)[0]} leaves out attention and MLP: nothing of its block remains"
        findings.error("LS126", path, message, "keep one of the two, or take the position out of the path")


def _check_dropped(findings: Findings, view: StageView, branch: str) -> None:
    dropped = view.spots("drop", branch)
    needs = {key: sublayer for key, sublayer in NEEDS.items() if sublayer == branch}
    delta = view.plain["delta"]
    if delta is not None and any(matrix.startswith(f"{branch}.") for matrix in delta["matrices"]):
        needs[("delta",)] = branch
    for key in needs:
        both = dropped & (view.spots(*key) - (FIRST if key == ("value_residual",) else set()))
        if both:
            findings.error(
                "LS126",
                view.place_path(*key),
                f"{key[-1]} acts on the {branch} of position {min(both)[0]}, which leaves it out",
                "list the positions that have one",
                related=findings.related(view.place_path("drop", branch), "left out here"),
            )


def _check_arrangement(findings: Findings, view: StageView, section: str, branch: str) -> None:
    for step, _ in sorted(view.spots(section, branch)):
        kind = view.block(step).plain["residual"]["arrangement"]["kind"]
        if kind != "sequential":
            verb = "left out" if section == "drop" else "run twice"
            message = f"a sublayer of a {kind} block cannot be {verb} (block {view.steps[step]}, position {step})"
            findings.error("LS126", view.place_path(section, branch), message, "use arrangement: {kind: sequential}")
            return
