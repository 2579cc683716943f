"""LS127: values of a stage's first position in later ones."""

from __future__ import annotations

from .findings import Findings, YamlPath
from .places import StageView

FIRST = (0, 0)


def check_value_residual(findings: Findings, view: StageView) -> None:
    """The first position has values, some later one takes them, and they are as wide there."""
    if view.plain["value_residual"] is None:
        return
    path: YamlPath = (*view.path, "value_residual")
    if FIRST in view.spots("drop", "attention"):
        message = "position 0 leaves out its attention, so that it has no values to hand on"
        related = findings.related(view.place_path("drop", "attention"), "left out here")
        findings.error("LS127", path, message, "keep its attention", key=True, related=related)
    if 0 not in view.loops_run:
        message = "only the last firing is run, which has not the values of the first"
        findings.error("LS127", path, message, "use another combine rule, or remove it", key=True)
        return
    _check_takers(findings, view, path)
    _check_widths(findings, view, path)


def _check_takers(findings: Findings, view: StageView, path: YamlPath) -> None:
    spots = view.spots("value_residual")
    named = next(place.where for place in view.places if place.key == ("value_residual",))
    if named is None:
        return  # its problem is reported
    if not spots - {FIRST}:
        message = "no later position takes the values of the first"
        findings.error("LS540", path, message, "name later positions, or remove it", key=True)
    elif named.positions is not None and 0 in named.positions and {loop for step, loop in spots if step == 0} == {0}:
        message = "position 0 is the first: nothing before it has values"
        findings.error("LS540", (*path, "at"), message, "leave position 0 out")


def _check_widths(findings: Findings, view: StageView, path: YamlPath) -> None:
    first = _width(findings, view, 0)
    for step, loop in sorted(view.spots("value_residual")):
        width = _width(findings, view, step)
        if (step, loop) != FIRST and width != first:
            message = f"values of width {first} at position 0, of width {width} at position {step}"
            hint = "leave the position out of `at`, or give both blocks one width (kv_heads * dim / heads)"
            findings.error("LS127", path, message, hint, key=True)
            return


def _width(findings: Findings, view: StageView, step: int) -> int:
    attention = view.block(step).plain["attention"]
    return int(attention["kv_heads"] * (findings.plain["model"]["dim"] // attention["heads"]))
