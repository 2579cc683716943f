"""LS20x and LS216 to LS219: declared modes that name what is not there, cannot run, or change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..graph.modes import FULL, SINGLE
from ..operations import FIRING_RULES
from ..source.wording import did_you_mean, quoted
from ..spec.ranges import MAX_POSITIONS, PathError, expand_numbers
from .findings import Findings, YamlPath
from .places import StageView, stage_views
from .stages import check_path

MAX_TOTAL = 2 * MAX_POSITIONS
"""Positions of all modes together."""

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Change:
    """What a mode changes of a stage."""

    mode: str
    view: StageView
    plain: Plain

    @property
    def path(self) -> YamlPath:
        return ("modes", self.mode, self.view.name)

    @property
    def loops(self) -> int:
        return int(self.plain.get("loops", self.view.loops))

    @property
    def more(self) -> bool:
        """Whether the stage loops more often than in the graph."""
        return self.loops > self.view.loops


def check_declared_modes(findings: Findings) -> None:
    """Each declared mode is another one, and each of its changes can be made and has an effect."""
    views = {view.name: view for view in stage_views(findings)}
    names = [stage["stage"] for stage in findings.stages()]
    if any(item.code == "LS113" for item in findings.diagnostics):
        return
    complete = len(views) == len(names)
    known = _automatic(findings, views)
    for name, changes in findings.plain["modes"].items():
        path: YamlPath = ("modes", name)
        if name == FULL:
            message = "mode full is what the graph says and cannot be changed"
            findings.error("LS203", path, message, "change the graph, or use another name", key=True)
            continue
        before = len(findings.diagnostics)
        for stage, plain in changes.items():
            if stage not in names:
                message = f"no stage is named {quoted(stage)}"
                findings.error("LS204", (*path, stage), message, did_you_mean(stage, names), key=True)
            elif stage in views:
                _check_change(findings, _Change(name, views[stage], plain), views)
        if complete and len(findings.diagnostics) == before:
            _check_whole(findings, name, _resolved(findings, changes, views), views, known)


def _check_change(findings: Findings, change: _Change, views: dict[str, StageView]) -> None:
    if change.loops == 0:
        _check_left_out(findings, change)
        return
    _check_more_loops(findings, change, views)
    _check_firings(findings, change)
    _check_mode_path(findings, change)
    _check_extra(findings, change)
    _check_without(findings, change)


def _check_left_out(findings: Findings, change: _Change) -> None:
    for key in ("path", "extra", "without"):
        if key in change.plain:
            message = f"{key} of a stage that the mode leaves out (loops: 0)"
            findings.error("LS219", (*change.path, key), message, "remove it, or give loops", key=True)


def _check_more_loops(findings: Findings, change: _Change, views: dict[str, StageView]) -> None:
    """Further loops run blocks with shared parts; features with something for each loop have nothing for them."""
    if not change.more:
        return
    missing = [(change.view.name, feature) for feature in _bound_to_loops(change.view)]
    without = set(change.plain.get("without", ()))
    bound = [feature for _, feature in missing if feature not in without]
    inner = [
        (view.name, feature)
        for view in views.values()
        if _lies_inside(view, change.view.name, views)
        for feature in _bound_to_entries(view)
    ]
    name = change.view.name
    if bound:
        leave = [feature for feature in bound if feature != "lanes"]
        ways = f"without: [{', '.join(leave)}]" if len(leave) == len(bound) else "no lanes"
        hint = f"use at most {change.view.loops} loops, or {ways}"
        message = f"{change.loops} loops of stage {quoted(name)}; the graph has {bound[0]} for {change.view.loops}"
        findings.error("LS205", (*change.path, "loops"), message, hint)
    elif inner:
        message = (
            f"stage {inner[0][0]} inside it has {inner[0][1]} for each loop of {name}, for {change.view.loops} alone"
        )
        findings.error("LS205", (*change.path, "loops"), message, f"use at most {change.view.loops} loops")


def _bound_to_loops(view: StageView) -> Iterator[str]:
    """Features that have something of their own for each loop of the graph, and so nothing for a further one."""
    for feature in ("loop_vector", "lanes"):
        if view.plain[feature] is not None:
            yield feature
    skips = view.plain["skips"]
    if skips is not None and skips["scope"] == "path":  # those of a pass have weights by position, for every loop
        yield "skips"
    if view.plain["auxiliary_loss"] is not None:
        yield "auxiliary_loss"
    for place in view.places:
        if len(place.key) == 1 and place.where is not None and place.where.loops is None:
            yield place.key[0]


def _bound_to_entries(view: StageView) -> Iterator[str]:
    """Features that have something of their own for each time that the graph enters the stage."""
    for feature in ("position_vector", "skips", "delta", "value_residual", "lanes", "skip_trace"):
        if view.plain[feature] is not None:
            yield feature
    if view.plain["firing"].get("combine", {}).get("kind") == "ema_gate":
        yield "ema_gate"


def _lies_inside(view: StageView, outer: str, views: dict[str, StageView]) -> bool:
    around = _around(view, views)
    return around is not None and (around.name == outer or _lies_inside(around, outer, views))


def _around(view: StageView, views: dict[str, StageView]) -> StageView | None:
    """The stage that a stage lies inside. One that is not listed earlier is refused, and could lead round in a ring."""
    outer = views.get(str(view.plain["inside"]))
    return None if outer is None or outer.index >= view.index else outer


def _check_firings(findings: Findings, change: _Change) -> None:
    combine = change.view.plain["firing"].get("combine")
    if combine is None:
        return
    rule = FIRING_RULES[combine["kind"]]
    if rule.exactly is not None and change.loops not in (1, rule.exactly):
        message = (
            f"the formula of {combine['kind']} is made for {rule.exactly} firings, or one; the mode has {change.loops}"
        )
        hint = f"use 0, 1 or {rule.exactly} loops, or combine: {{kind: mean}}"
        findings.error("LS205", (*change.path, "loops"), message, hint)
    elif rule.each and change.loops > change.view.loops:
        message = (
            f"{change.loops} firings in the mode; {combine['kind']} has stores for the graph's {change.view.loops}"
        )
        findings.error("LS205", (*change.path, "loops"), message, f"use at most {change.view.loops} loops")


def _check_mode_path(findings: Findings, change: _Change) -> None:
    if "path" not in change.plain:
        return
    view, path = change.view, (*change.path, "path")
    steps = check_path(findings, path, change.plain["path"], view.plain["blocks"])
    if steps is None:
        return
    places = _own_places(view, steps)
    without = change.plain.get("without", ())
    if view.plain["value_residual"] is not None and "value_residual" not in without and places[0] != 0:
        message = "this path does not begin with the stage's first position, whose values value_residual hands on"
        findings.error("LS217", path, message, f"begin with block {view.steps[0]}, or add without: [value_residual]")
    if view.plain["lanes"] is not None and not _lanes_last(view, places):
        message = "in this path a position without lanes follows one with lanes"
        findings.error("LS217", path, message, "let the positions with lanes be its last")


def _own_places(view: StageView, steps: tuple[int, ...]) -> list[int | None]:
    """For each position of a mode's path, the one of the graph's path that it keeps its identity from."""
    seen: dict[int, int] = {}
    places: list[int | None] = []
    for block in steps:
        own = [step for step, other in enumerate(view.steps) if other == block]
        before = seen.get(block, 0)
        places.append(own[before] if before < len(own) else None)
        seen[block] = before + 1
    return places


def _lanes_last(view: StageView, places: list[int | None]) -> bool:
    start = view.plain["lanes"]["start"]
    apart = [place is not None and place >= start for place in places]
    return apart == sorted(apart)


def _check_extra(findings: Findings, change: _Change) -> None:
    extra, view, path = change.plain.get("extra"), change.view, (*change.path, "extra")
    if extra is None:
        return
    if view.parallel:
        message = "extra runs of a stage that fires in parallel: its firings are combined after them"
        findings.error("LS217", path, message, "use firing: {kind: sequential}, or other loops", key=True)
        return
    if ("positions" in extra) == ("blocks" in extra):
        given = "both positions and blocks" if "blocks" in extra else "neither positions nor blocks"
        findings.error("LS217", path, f"extra has {given}", "give one of the two", key=True)
        return
    kind = "positions" if "positions" in extra else "blocks"
    count = len(view.steps) if kind == "positions" else len(view.variants)
    try:
        numbers = expand_numbers(extra[kind])
    except PathError as problem:
        findings.error("LS112", (*path, kind, *problem.where), str(problem), "write the smaller number first")
        return
    outside = sorted({number for number in numbers if number >= count})
    if outside:
        where = "the path" if kind == "positions" else f"group {quoted(view.plain['blocks'])}"
        message = f"{where} has no {kind[:-1]} {', '.join(map(str, outside[:8]))}"
        findings.error("LS217", (*path, kind), message, f"its {kind} are 0..{count - 1}")
    elif kind == "positions" and view.plain["lanes"] is not None and not _lanes_last(view, list(numbers)):
        message = "in these positions one without lanes follows one with lanes"
        findings.error("LS217", (*path, kind), message, "let the positions with lanes be the last")
    _check_stop(findings, change, extra)


def _check_stop(findings: Findings, change: _Change, extra: Plain) -> None:
    steps = {mode for phase in findings.plain["cadence"] for mode in phase.get("pattern", ())}
    steps |= {findings.plain["activities"][part["kind"]] for part in findings.plain["train"]["finish"]}
    if "stop_below" in extra and change.mode in steps:
        findings.error(
            "LS218",
            (*change.path, "extra", "stop_below"),
            f"mode {quoted(change.mode)} is run by training, and stops by what it finds in the data",
            "leave stop_below out, or keep the mode for evaluation",
        )


def _check_without(findings: Findings, change: _Change) -> None:
    view = change.view
    for index, feature in enumerate(change.plain.get("without", ())):
        if feature == "value_embedding":
            has = any(block.plain["value_embedding"] for block in view.blocks()) or bool(
                view.plain["place"].get("value_embedding")
            )
        else:
            has = view.plain[feature] is not None
        reason = f"stage {quoted(view.name)} has no {feature}"
        if has and feature in ("between", "auxiliary_loss") and change.loops == 1:
            has, reason = False, f"{feature} acts between loops, and the mode has one"
        if not has:
            findings.error(
                "LS219", (*change.path, "without", index), f"{reason}: leaving it off changes nothing", "remove it"
            )


Resolved = dict[str, tuple[Any, ...]]


def _resolved(findings: Findings, changes: Plain, views: dict[str, StageView]) -> Resolved:
    """How each stage runs, in a form in which equal modes are equal. All of it was checked."""
    resolved: Resolved = {}
    for name, view in views.items():
        change = _Change("", view, changes.get(name, {}))
        plain, loops = change.plain, change.loops
        steps = check_path(findings, (), plain["path"], view.plain["blocks"]) if "path" in plain else view.steps
        extra = plain.get("extra")
        runs = None
        if extra is not None:
            kind = "positions" if "positions" in extra else "blocks"
            runs = (extra["times"], kind, expand_numbers(extra[kind]), extra.get("stop_below"))
        resolved[name] = (loops, steps, runs, frozenset(plain.get("without", ()))) if loops else (0,)
    return {name: how if _runs(views[name], views, resolved) else (0,) for name, how in resolved.items()}


def _automatic(findings: Findings, views: dict[str, StageView]) -> list[tuple[str, Resolved]]:
    full = _resolved(findings, {}, views)
    single = _resolved(findings, {name: {"loops": 1} for name in views}, views)
    return [(FULL, full)] + ([(SINGLE, single)] if single != full else [])


def _check_whole(
    findings: Findings, name: str, mode: Resolved, views: dict[str, StageView], known: list[tuple[str, Resolved]]
) -> None:
    path: YamlPath = ("modes", name)
    same = next((other for other, resolved in known if resolved == mode), None)
    before = sum(_positions(views, resolved) for _, resolved in known)
    known.append((name, mode))
    if not any(_runs(views[stage], views, mode) for stage in mode):
        findings.error("LS216", path, f"mode {quoted(name)} leaves out every stage", "give one of them loops", key=True)
    elif before <= MAX_TOTAL < before + _positions(views, mode):
        total = before + _positions(views, mode)
        message = f"with mode {quoted(name)}, all modes have {total:,} positions together; at most {MAX_TOTAL:,} fit"
        findings.error("LS113", path, message, "use fewer modes, or modes of fewer loops", key=True)
    elif _positions(views, mode) > MAX_POSITIONS:
        message = f"mode {quoted(name)} has {_positions(views, mode):,} positions; at most {MAX_POSITIONS:,} fit"
        findings.error("LS113", path, message, "use fewer loops, or a shorter path", key=True)
    elif same is not None:
        message = f"mode {quoted(name)} is the same as mode {same}"
        automatic = name == SINGLE and same == SINGLE
        hint = "mode single is there without being declared: remove it" if automatic else "change it, or remove it"
        findings.error("LS206", path, message, hint, key=True)


def _runs(view: StageView, views: dict[str, StageView], mode: Resolved) -> int:
    """How often the mode enters the stage and finds it has loops: 0 where it does not run."""
    if mode[view.name][0] == 0:
        return 0
    outer = _around(view, views)
    return 1 if outer is None else _runs(outer, views, mode) * mode[outer.name][0]


def _positions(views: dict[str, StageView], mode: Resolved) -> int:
    total = 0
    for name, view in views.items():
        entries = _runs(view, views, mode)
        if entries:
            loops, steps, runs, _ = mode[name]
            total += entries * (loops * len(steps) + (runs[0] * len(runs[2]) if runs else 0))
    return total
