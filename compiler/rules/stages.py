"""LS11x and LS12x: stages that run what is not there, and features placed where they cannot act."""

from __future__ import annotations

from typing import Any

from ..source.wording import did_you_mean, quoted
from ..spec.ranges import MAX_POSITIONS, PathError, expand_numbers, expand_path
from .findings import Findings, YamlPath

MAX_STORED_BLOCKS = 2048


def check_stages(findings: Findings) -> None:
    """Names, groups, paths, loops and placed features of every stage."""
    seen: dict[str, int] = {}
    positions = 0
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
        steps = _check_path(findings, path, stage)
        if steps is not None:
            positions += len(steps) * stage["loops"]
            _check_features(findings, path, stage, steps)
    blocks = sum(group["count"] for group in findings.blocks().values())
    if positions > MAX_POSITIONS or blocks > MAX_STORED_BLOCKS:
        findings.error(
            "LS113",
            ("graph",),
            f"{positions:,} positions and {blocks:,} blocks; at most {MAX_POSITIONS:,} and {MAX_STORED_BLOCKS:,} fit",
            "use fewer loops or blocks",
            key=True,
        )


def _check_path(findings: Findings, path: YamlPath, stage: dict[str, Any]) -> tuple[int, ...] | None:
    """The expanded path, None where it is wrong (and reported)."""
    groups = findings.blocks()
    if stage["blocks"] not in groups:
        findings.error(
            "LS111",
            (*path, "blocks"),
            f"no group of blocks is named {quoted(stage['blocks'])}",
            did_you_mean(stage["blocks"], list(groups)),
        )
        return None
    count = groups[stage["blocks"]]["count"]
    try:
        steps = expand_path(stage["path"], count)
    except PathError as problem:
        findings.error("LS112", (*path, "path", *problem.where), str(problem), "see `loopspec explain graph[].path`")
        return None
    missing = sorted({block for block in steps if block >= count})
    if not missing and steps:
        return steps
    if not steps:
        findings.error("LS112", (*path, "path"), "the path is empty", "give it at least one position")
        return None
    shown = ", ".join(map(str, missing[:8]))
    findings.error(
        "LS114",
        (*path, "path"),
        f"the path runs block {shown} of group {quoted(stage['blocks'])}, which has {count} blocks",
        f"use blocks 0..{count - 1}, or raise blocks.{stage['blocks']}.count",
        related=findings.related(("blocks", stage["blocks"], "count"), "the number of blocks"),
    )
    return None


def _check_features(findings: Findings, path: YamlPath, stage: dict[str, Any], steps: tuple[int, ...]) -> None:
    if stage["loop_vector"] is not None and stage["loops"] == 1:
        findings.error(
            "LS502",
            (*path, "loop_vector"),
            "a loop vector in a stage that runs once",
            "remove it, or set loops above 1",
            key=True,
        )
    dim, init = findings.plain["model"]["dim"], (stage["loop_vector"] or {}).get("init", {})
    if init.get("kind") == "orthogonal" and stage["loops"] > dim:
        findings.error(
            "LS115",
            (*path, "loop_vector", "init"),
            f"{stage['loops']} vectors of width {dim} cannot be orthogonal",
            "use fewer loops, or kind: normal",
        )
    skips = stage["skips"]
    if skips is not None and len(steps) * (stage["loops"] if skips["scope"] == "path" else 1) < 2:
        findings.error(
            "LS503",
            (*path, "skips"),
            "skips over a single position connect nothing",
            "remove them, or lengthen the path",
            key=True,
        )
    for feature in ("value_embedding", "xsa"):
        if feature in stage["place"]:
            _check_place(findings, (*path, "place", feature), stage, steps)


def _check_place(findings: Findings, path: YamlPath, stage: dict[str, Any], steps: tuple[int, ...]) -> None:
    feature = str(path[-1])
    try:
        places = expand_numbers(stage["place"][feature])
    except PathError as problem:
        findings.error("LS112", (*path, *problem.where), str(problem), "write the smaller number first")
        return
    outside = sorted({place for place in places if place >= len(steps)})
    if outside:
        shown = ", ".join(map(str, outside[:8]))
        findings.error(
            "LS116",
            path,
            f"{feature} is placed on position {shown}, which the path does not have",
            f"positions are 0..{len(steps) - 1}",
        )
        return
    if len(set(places)) != len(places):
        findings.error("LS117", path, f"{feature} is placed twice on one position", "list each position once")
    _check_both(findings, path, stage, {place: steps[place] for place in places})


def _check_both(findings: Findings, path: YamlPath, stage: dict[str, Any], placed: dict[int, int]) -> None:
    """A feature belongs to a block or to positions, never to both."""
    feature = str(path[-1])
    group = findings.blocks()[stage["blocks"]]
    flags = _block_flags(group, feature)
    both = [place for place, block in placed.items() if block < len(flags) and flags[block]]
    if both:
        findings.error(
            "LS118",
            path,
            f"{feature} is placed on position {both[0]}, whose block {placed[both[0]]} already has it wherever it runs",
            f"take it off the block (blocks.{stage['blocks']}) or off the position",
        )


def _block_flags(group: dict[str, Any], feature: str) -> list[bool]:
    """Whether each block of a group has the feature, overrides applied."""

    def flag(part: dict[str, Any]) -> bool | None:
        return part.get("value_embedding") if feature == "value_embedding" else part.get("attention", {}).get("xsa")

    flags = [bool(flag(group))] * group["count"]
    for override in group["overrides"]:
        value = flag(override)
        try:
            numbers = expand_numbers(override["blocks"])
        except PathError:
            continue  # reported by the rules of the group
        for block in numbers:
            if value is not None and block < len(flags):
                flags[block] = value
    return flags


def check_value_embedding(findings: Findings) -> None:
    """LS12x: the value embedding is declared where it is used, used where it is declared, and of one width."""
    users = list(_value_embedding_users(findings))
    declared = findings.plain["model"]["value_embedding"] is not None
    if users and not declared:
        findings.error(
            "LS120",
            users[0][0],
            "a value embedding is used, but the model has none",
            "add model.value_embedding: {dim: 128}",
        )
    if declared and not users:
        findings.error(
            "LS501",
            ("model", "value_embedding"),
            "the value embedding is declared, and no block or position uses it",
            "set value_embedding: true on blocks, or place it on positions; or remove it",
            key=True,
        )
    dim = findings.plain["model"]["dim"]
    widths = {kv * (dim // heads): path for path, heads, kv in reversed(users) if dim % heads == 0}
    if declared and len(widths) > 1:
        path = next(iter(widths.values()))
        findings.error(
            "LS121",
            path,
            f"the value embedding meets key-value widths {', '.join(map(str, sorted(widths)))}",
            "its users need one width (kv_heads * dim / heads)",
        )


def _value_embedding_users(findings: Findings) -> list[tuple[YamlPath, int, int]]:
    users: list[tuple[YamlPath, int, int]] = []
    for name, group in findings.blocks().items():
        parts: list[tuple[YamlPath, dict[str, Any]]] = [(("blocks", name), group)]
        parts += [(("blocks", name, "overrides", index), part) for index, part in enumerate(group["overrides"])]
        for path, part in parts:
            if part.get("value_embedding"):
                attention = group["attention"] | part.get("attention", {})
                users.append(((*path, "value_embedding"), attention["heads"], attention["kv_heads"]))
    for index, stage in enumerate(findings.stages()):
        if "value_embedding" in stage["place"] and stage["blocks"] in findings.blocks():
            attention = findings.blocks()[stage["blocks"]]["attention"]
            users.append((("graph", index, "place", "value_embedding"), attention["heads"], attention["kv_heads"]))
    return users
