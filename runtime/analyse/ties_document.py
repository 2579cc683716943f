"""A spec with some of its blocks tied: the same resolved document, changed where a block's number counts."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from ...compiler.folding import ranges
from ...compiler.plan import Plan
from ...compiler.spec.overrides import merged_blocks
from ...compiler.spec.ranges import expand_numbers, expand_path
from .errors import AnalysisError
from .ties import Tie

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Renumbering:
    """New number of each block of a group, and the blocks that are kept, in order."""

    group: str
    number: tuple[int, ...]
    kept: tuple[int, ...]


def tied_document(plan: Plan, tie: Tie) -> Plain:
    """The resolved document with the tie's blocks as one. Every position keeps its place, its features and its number.

    Changed are the group's count, the paths over it (in stages, and in modes), its overrides, and rules whose name
    globs spell out a block's number. Norm scales that go by a block's number become explicit, so that no position's
    scale moves, but for those that take over another block.

    Raises:
        AnalysisError: a feature of some of the blocks cannot be placed on their positions.
    """
    plain = copy.deepcopy(plan.spec.plain)
    group = plain["blocks"][tie.group]
    count: int = group["count"]
    renumbering = _renumber(tie, count)
    _place_xsa(plain, tie, count)
    _keep_norm_scales(plain, renumbering)
    for stage in plain["graph"]:
        if stage["blocks"] == tie.group:
            stage["path"] = _path(stage["path"], count, renumbering)
            _change_modes(plain, stage["stage"], count, renumbering)
    group["count"] = len(renumbering.kept)
    group["overrides"] = _overrides(group["overrides"], renumbering)
    plain["quantization"]["rules"] = _rules(plain["quantization"]["rules"], renumbering)
    plain["train"]["assign"] = _rules(plain["train"]["assign"], renumbering)
    return plain


def compact_path(path: tuple[int, ...]) -> list[int | str]:
    """A path as a spec writes it: `0..8`, `9 x 5`, 10."""
    items: list[int | str] = []
    start = 0
    while start < len(path):
        same = _run(path, start, 0)
        rising = _run(path, start, 1)
        if same > 1:
            items.append(f"{path[start]} x {same}")
        elif rising > 2:
            if start + rising < len(path) and path[start + rising] == path[start + rising - 1]:
                rising -= 1  # the last one begins a repeat
            items.append(ranges(path[start : start + rising]) if rising > 2 else path[start])
            rising = rising if rising > 2 else 1
        else:
            items.append(path[start])
            rising = 1
        start += same if same > 1 else rising
    return items


def _run(path: tuple[int, ...], start: int, step: int) -> int:
    """How many entries from `start` on each follow the last one by `step`."""
    length = 1
    while start + length < len(path) and path[start + length] == path[start] + step * length:
        length += 1
    return length


def _renumber(tie: Tie, count: int) -> _Renumbering:
    first = min(tie.blocks)
    kept = tuple(block for block in range(count) if block == first or block not in tie.blocks)
    number = tuple(kept.index(first if block in tie.blocks else block) for block in range(count))
    return _Renumbering(tie.group, number, kept)


def _path(path: Any, count: int, renumbering: _Renumbering) -> list[int | str]:  # noqa: ANN401 - checked by the schema
    return compact_path(tuple(renumbering.number[block] for block in expand_path(path, count)))


def _change_modes(plain: Plain, stage: str, count: int, renumbering: _Renumbering) -> None:
    for mode in plain["modes"].values():
        change = mode.get(stage, {})
        if "path" in change:
            change["path"] = _path(change["path"], count, renumbering)
        extra = change.get("extra") or {}
        if "blocks" in extra:
            extra["blocks"] = [renumbering.number[block] for block in expand_numbers(extra["blocks"])]


def _place_xsa(plain: Plain, tie: Tie, count: int) -> None:
    """Where only some of the tied blocks have exclusive self-attention, their positions get it instead."""
    group = plain["blocks"][tie.group]
    having = {block for block in tie.blocks if merged_blocks(group)[block].plain["attention"]["xsa"]}
    if not having or having == set(tie.blocks):
        return
    for stage in plain["graph"]:
        if stage["blocks"] == tie.group:
            steps = [step for step, block in enumerate(expand_path(stage["path"], count)) if block in having]
            _add_place(stage, steps)
    group["overrides"].append({"blocks": sorted(having), "attention": {"xsa": False}})


def _add_place(stage: Plain, steps: list[int]) -> None:
    """Adds positions to `place.xsa`."""
    if not steps:
        return
    before = stage["place"].get("xsa")
    if before is None:
        stage["place"] = {**stage["place"], "xsa": compact_path(tuple(steps))}
        return
    chosen = before if isinstance(before, dict) else {"positions": before}
    if "loops" in chosen:
        raise AnalysisError(f"stage {stage['stage']} places xsa on some loops only; that of a block runs in all")
    assert before != "all", "a rule refuses xsa of a block where it is placed, too"
    stage["place"]["xsa"] = compact_path(tuple(sorted({*expand_numbers(chosen["positions"]), *steps})))


def _keep_norm_scales(plain: Plain, renumbering: _Renumbering) -> None:
    before = 0
    for name, group in plain["blocks"].items():
        kept = renumbering.kept if name == renumbering.group else tuple(range(group["count"]))
        for section in (group, *group["overrides"]):
            scale = section.get("residual", {}).get("norm_scale")
            if scale is None:
                continue
            if scale["index"] == "explicit":
                scale["indices"] = [scale["indices"][block] for block in kept]
            elif scale["index"] == "stored" or (scale["index"] == "block" and name == renumbering.group):
                first = before if scale["index"] == "stored" else 0
                section["residual"]["norm_scale"] = {"index": "explicit", "indices": [first + block for block in kept]}
        before += group["count"]


def _overrides(overrides: list[Plain], renumbering: _Renumbering) -> list[Plain]:
    """Those that still apply to some block, with its new number."""
    changed = []
    for override in overrides:
        members = set(expand_numbers(override["blocks"]))
        numbers = tuple(renumbering.number[block] for block in renumbering.kept if block in members)
        if numbers:
            changed.append({**override, "blocks": compact_path(numbers)})
    return changed


def _rules(rules: list[Plain], renumbering: _Renumbering) -> list[Plain]:
    """Rules whose glob spells out a block's number follow that block; those of a block that is gone go with it."""
    pattern = re.compile(rf"(blocks\.{re.escape(renumbering.group)}\.)(\d+)(?=\.|$)")
    changed = []
    for rule in rules:
        name = rule.get("match", {}).get("name") or ""
        found = pattern.match(name)
        if found is None or int(found[2]) >= len(renumbering.number):
            changed.append(rule)
        elif int(found[2]) in renumbering.kept:
            number = renumbering.number[int(found[2])]
            changed.append({**rule, "match": {**rule["match"], "name": f"{found[1]}{number}{name[found.end() :]}"}})
    return changed
