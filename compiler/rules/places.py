"""Stages as the rules see them: the expanded path, its blocks, and the executions that each `where` value chooses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..spec.build_stage import build_where
from ..spec.ranges import PathError, expand_numbers, expand_path
from ..spec.stage import Where
from .findings import Findings, YamlPath
from .variants import Variant, group_variants

Key = tuple[str, ...]
Spot = tuple[int, int]
"""Position of the path, and loop."""


@dataclass(frozen=True, slots=True)
class Place:
    """A `where` value of a stage: the keys that lead to it, the value, and what it chooses (None where it is wrong)."""

    key: Key
    plain: Any
    where: Where | None


@dataclass(frozen=True, slots=True)
class StageView:
    """A stage whose group and path are right.

    Attributes:
        index: its place in `graph`.
        entries: how often mode full enters it; more than once inside a stage that loops.
        places: its `where` values.
    """

    index: int
    plain: dict[str, Any]
    steps: tuple[int, ...]
    variants: tuple[Variant, ...]
    entries: int
    places: tuple[Place, ...] = field(default=())

    @property
    def name(self) -> str:
        """The stage's name."""
        return str(self.plain["stage"])

    @property
    def path(self) -> YamlPath:
        """Where it stands in the spec."""
        return ("graph", self.index)

    @property
    def loops(self) -> int:
        """Loops that mode full counts."""
        return int(self.plain["loops"])

    @property
    def parallel(self) -> bool:
        """Whether all loops begin with the same stream."""
        return bool(self.plain["firing"]["kind"] == "parallel")

    @property
    def loops_run(self) -> range:
        """Loops that mode full runs: all, or of parallel firings of which only the last counts, that one."""
        last = self.parallel and self.plain["firing"]["combine"]["kind"] == "last"
        return range(self.loops - 1 if last else 0, self.loops)

    def block(self, step: int) -> Variant:
        """The block at a position of the path."""
        return self.variants[self.steps[step]]

    def blocks(self) -> list[Variant]:
        """The blocks that the path runs, each once."""
        return [self.variants[index] for index in dict.fromkeys(self.steps)]

    def spots(self, *key: str) -> frozenset[Spot]:
        """What the `where` value under `key` chooses; nothing where it is missing or wrong."""
        where = next((place.where for place in self.places if place.key == key), None)
        everything = ((step, loop) for step in range(len(self.steps)) for loop in self.loops_run)
        return frozenset(spot for spot in everything if where is not None and where.holds(*spot))

    def place_path(self, *key: str) -> YamlPath:
        """The YAML path of a `where` value."""
        return (*self.path, *key, *(("at",) if len(key) == 1 else ()))


def stage_views(findings: Findings) -> list[StageView]:
    """The stages whose group, path and name are right; the others are reported elsewhere."""
    views: list[StageView] = []
    entries: dict[str, int] = {}
    for index, stage in enumerate(findings.stages()):
        group = findings.blocks().get(stage["blocks"])
        steps = None if group is None else _steps(stage["path"], group["count"])
        if steps is None or group is None or stage["stage"] in entries:
            continue
        outer = next((view for view in views if view.name == stage["inside"]), None)
        count = 1 if outer is None else outer.entries * len(outer.loops_run)
        entries[stage["stage"]] = count
        variants = group_variants(stage["blocks"], group)
        bare = StageView(index, stage, steps, variants, count)
        places = tuple(Place(key, value, _valid(value, bare)) for key, value in _wheres(stage))
        views.append(StageView(index, stage, steps, variants, count, places))
    return views


def _steps(path: Any, count: int) -> tuple[int, ...] | None:  # noqa: ANN401 - checked by the schema
    try:
        steps = expand_path(path, count)
    except PathError:
        return None
    return steps if steps and max(steps) < count else None


def _wheres(stage: dict[str, Any]) -> list[tuple[Key, Any]]:
    """Every `where` value of a stage, with the keys that lead to it (without `at`)."""
    found: list[tuple[Key, Any]] = []
    for section in ("place", "private", "drop", "refire"):
        found += [((section, name), value) for name, value in stage[section].items()]
    for section in ("position_vector", "delta", "value_residual"):
        if stage[section] is not None:
            found.append(((section,), stage[section]["at"]))
    return found


def _valid(value: Any, view: StageView) -> Where | None:  # noqa: ANN401 - checked by the schema
    return None if next(_problems(value, view), None) is not None else build_where(value)


@dataclass(frozen=True, slots=True)
class _Problem:
    code: str
    below: YamlPath
    message: str
    hint: str


def _problems(value: Any, view: StageView) -> Iterator[_Problem]:  # noqa: ANN401 - checked by the schema
    if isinstance(value, str):
        return
    chosen = value if isinstance(value, dict) else {"positions": value}
    ranges = {"positions": range(len(view.steps)), "loops": view.loops_run}
    for what, valid in ranges.items():
        below: YamlPath = (what,) if isinstance(value, dict) else ()
        try:
            numbers = expand_numbers(chosen.get(what, ()))
        except PathError as problem:
            yield _Problem("LS112", (*below, *problem.where), str(problem), "write the smaller number first")
            continue
        outside = sorted({number for number in numbers if number not in valid})
        twice = [number for number, count in Counter(numbers).items() if count > 1]
        if outside:
            yield _Problem("LS116", below, *_outside(what, outside, valid))
        elif twice:
            message = f"{what[:-1]} {twice[0]} is listed twice"
            yield _Problem("LS117", below, message, f"list each {what[:-1]} once")


def _outside(what: str, outside: list[int], valid: range) -> tuple[str, str]:
    shown = ", ".join(map(str, outside[:8]))
    one = what[:-1] if len(outside) == 1 else what
    if what == "positions":
        return f"the path has no {one} {shown}", f"positions are 0..{valid[-1]}"
    if valid.start:
        return f"{one} {shown} of this stage is not run", f"combine: last runs loop {valid.start} alone"
    return f"the stage has no {one} {shown}", f"loops are 0..{valid[-1]}" if len(valid) > 1 else "it has loop 0 alone"


def check_places(findings: Findings, view: StageView) -> None:
    """Every `where` value names positions and loops that run, each once."""
    for place in view.places:
        path = view.place_path(*place.key)
        for problem in _problems(place.plain, view):
            findings.error(problem.code, (*path, *problem.below), problem.message, problem.hint)
    for feature in ("value_embedding", "xsa"):
        _check_both(findings, view, feature)


def _check_both(findings: Findings, view: StageView, feature: str) -> None:
    """A feature belongs to a block or to positions, never to both."""
    for step, _ in sorted(view.spots("place", feature)):
        plain = view.block(step).plain
        if plain["value_embedding"] if feature == "value_embedding" else plain["attention"]["xsa"]:
            findings.error(
                "LS118",
                view.place_path("place", feature),
                f"{feature} is placed on position {step}, "
                f"whose block {view.steps[step]} already has it wherever it runs",
                f"take it off the block (blocks.{view.plain['blocks']}) or off the position",
            )
            return
