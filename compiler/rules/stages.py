"""LS11x: names, groups, paths and loops of stages, and where stages run inside others."""

from __future__ import annotations

from typing import Any

from ..source.wording import did_you_mean, quoted
from ..spec.ranges import MAX_POSITIONS, PathError, expand_path
from .branches import check_branches
from .findings import Findings, YamlPath
from .firing import check_firing
from .lanes import check_lanes
from .loops import check_loops
from .parts import check_parts
from .places import StageView, check_places, stage_views
from .value_residual import check_value_residual

MAX_STORED_BLOCKS = 256


def check_stages(findings: Findings) -> None:
    """Every stage by itself, and how stages lie in each other."""
    seen: dict[str, int] = {}
    for index, stage in enumerate(findings.stages()):
        path: YamlPath = ("graph", index)
        if stage["stage"] in seen:
            first = findings.related(("graph", seen[stage["stage"]], "stage"), "the first stage of that name")
            findings.error(
                "LS110",
                (*path, "stage"),
                f"a second stage named {quoted(stage['stage'])}",
                "give each stage its own name",
                related=first,
            )
        seen.setdefault(stage["stage"], index)
        check_path(findings, (*path, "path"), stage["path"], stage["blocks"])
        _check_inside(findings, index, stage)
    views = stage_views(findings)
    if _fits(findings, views):
        for view in views:
            _check_stage(findings, view)


def _check_stage(findings: Findings, view: StageView) -> None:
    check_places(findings, view)
    _check_vectors(findings, view)
    _check_skips(findings, view)
    check_firing(findings, view)
    check_loops(findings, view)
    check_parts(findings, view)
    check_branches(findings, view)
    check_lanes(findings, view)
    check_value_residual(findings, view)


def _fits(findings: Findings, views: list[StageView]) -> bool:
    positions = sum(len(view.steps) * view.loops * view.entries for view in views)
    blocks = sum(group["count"] for group in findings.blocks().values())
    if positions <= MAX_POSITIONS and blocks <= MAX_STORED_BLOCKS:
        return True
    findings.error(
        "LS113",
        ("graph",),
        f"{positions:,} positions and {blocks:,} blocks; at most {MAX_POSITIONS:,} and {MAX_STORED_BLOCKS:,} fit",
        "use fewer loops or blocks",
        key=True,
    )
    return False


def check_path(findings: Findings, path: YamlPath, plain: Any, group: str) -> tuple[int, ...] | None:  # noqa: ANN401
    """The expanded path at `path`, None where it is wrong (and reported)."""
    groups = findings.blocks()
    if group not in groups:
        findings.error(
            "LS111",
            (*path[:-1], "blocks"),
            f"no group of blocks is named {quoted(group)}",
            did_you_mean(group, list(groups)),
        )
        return None
    count = groups[group]["count"]
    try:
        steps = expand_path(plain, count)
    except PathError as problem:
        findings.error("LS112", (*path, *problem.where), str(problem), "see `loopspec explain graph[].path`")
        return None
    if not steps:
        findings.error("LS112", path, "the path is empty", "give it at least one position")
        return None
    missing = sorted({block for block in steps if block >= count})
    if not missing:
        return steps
    findings.error(
        "LS114",
        path,
        f"the path runs block {', '.join(map(str, missing[:8]))} of group {quoted(group)}, which has {count} blocks",
        f"use blocks 0..{count - 1}, or raise blocks.{group}.count",
        related=findings.related(("blocks", group, "count"), "the number of blocks"),
    )
    return None


def _positions(findings: Findings, stage: dict[str, Any]) -> int | None:
    """Positions of a stage's path, None where it has none that can be told."""
    group = findings.blocks().get(stage["blocks"])
    if group is None:
        return None
    try:
        return len(expand_path(stage["path"], group["count"]))
    except PathError:
        return None


def _check_inside(findings: Findings, index: int, stage: dict[str, Any]) -> None:
    """An inner stage runs between the halves of a U-Net that an earlier entry declares."""
    outer_name = stage["inside"]
    if outer_name is None:
        return
    earlier = findings.stages()[:index]
    names = [other["stage"] for other in findings.stages()]
    if outer_name == stage["stage"]:
        problem, hint = "a stage cannot run inside itself", "name another stage, or leave `inside` out"
    elif outer_name not in names:
        problem, hint = f"no stage is named {quoted(outer_name)}", did_you_mean(outer_name, names)
    elif outer_name not in [other["stage"] for other in earlier]:
        problem, hint = f"stage {quoted(outer_name)} is listed later", "list the outer stage before the inner one"
    else:
        outer = next(other for other in earlier if other["stage"] == outer_name)
        skips = outer["skips"]
        if skips is None and _positions(findings, outer) == 1:
            return  # before its one position, which has no half to lead past the inner stage
        if skips is None:
            problem = f"stage {quoted(outer_name)} has no skips, so that nothing leads past the inner stage"
            hint = f"give {outer_name} skips: {{kind: unet}}, or leave `inside` out and split its path"
        elif skips["scope"] == "path" and outer["loops"] > 1:
            problem = (
                f"the skips of stage {quoted(outer_name)} go over all its loops, which have no halves of their own"
            )
            hint = f"give {outer_name} skips: {{kind: unet, scope: pass}}, or loops: 1"
        else:
            return
    findings.error("LS122", ("graph", index, "inside"), problem, hint)


def _check_vectors(findings: Findings, view: StageView) -> None:
    stage = view.plain
    if stage["loop_vector"] is not None and view.loops == 1:
        findings.error(
            "LS502",
            (*view.path, "loop_vector"),
            "a loop vector in a stage that runs once",
            "remove it, or set loops above 1",
            key=True,
        )
    placed = len(view.spots("position_vector")) * view.entries
    for feature, count in (("loop_vector", view.loops), ("position_vector", placed)):
        dim, init = findings.plain["model"]["dim"], (stage[feature] or {}).get("init", {})
        if init.get("kind") == "orthogonal" and count > dim:
            findings.error(
                "LS115",
                (*view.path, feature, "init"),
                f"{count} vectors of width {dim} cannot be orthogonal",
                "use fewer, or kind: normal",
            )


def _check_skips(findings: Findings, view: StageView) -> None:
    skips = view.plain["skips"]
    if skips is not None and len(view.steps) * (view.loops if skips["scope"] == "path" else 1) < 2:
        findings.error(
            "LS503",
            (*view.path, "skips"),
            "skips over a single position connect nothing",
            "remove them, or lengthen the path",
            key=True,
        )
