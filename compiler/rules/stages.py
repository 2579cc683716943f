"""LS11x and LS12x: stages that run what is not there, and features placed where they cannot act."""

from __future__ import annotations

from typing import Any

from ..source.wording import did_you_mean, quoted
from ..spec.ranges import MAX_POSITIONS, PathError, expand_numbers, expand_path
from .findings import Findings, YamlPath
from .variants import Variant, group_variants

MAX_STORED_BLOCKS = 2048
UNPLACED = frozenset({"LS107", "LS111", "LS112", "LS114", "LS116"})

User = tuple[YamlPath, Variant]
"""Where a feature is asked for, and a block that has it there."""


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
    blocks = group_variants(stage["blocks"], findings.blocks()[stage["blocks"]])
    flags = [
        block.plain["value_embedding"] if feature == "value_embedding" else block.plain["attention"]["xsa"]
        for block in blocks
    ]
    both = [place for place, block in placed.items() if block < len(flags) and flags[block]]
    if both:
        findings.error(
            "LS118",
            path,
            f"{feature} is placed on position {both[0]}, whose block {placed[both[0]]} already has it wherever it runs",
            f"take it off the block (blocks.{stage['blocks']}) or off the position",
        )


def check_value_embedding(findings: Findings) -> None:
    """LS12x: the value embedding is declared where it is used, used where it is declared, and of one width."""
    users = [*_flagged_blocks(findings), *_placed_blocks(findings)]
    declared = findings.plain["model"]["value_embedding"] is not None
    if users and not declared:
        findings.error(
            "LS120",
            users[0][0],
            "a value embedding is used, but the model has none",
            "add model.value_embedding: {dim: 128}",
        )
    unplaced = any(item.code in UNPLACED for item in findings.diagnostics)  # then its users are not all known
    if declared and not users and not unplaced:
        findings.error(
            "LS501",
            ("model", "value_embedding"),
            "the value embedding is declared, and no block or position uses it",
            "set value_embedding: true on blocks, or place it on positions; or remove it",
            key=True,
        )
    if declared:
        _check_one_width(findings, users)


def _check_one_width(findings: Findings, users: list[User]) -> None:
    dim = findings.plain["model"]["dim"]
    widths: dict[int, User] = {}
    for path, block in reversed(users):
        heads, kv_heads = block.plain["attention"]["heads"], block.plain["attention"]["kv_heads"]
        if dim % heads == 0:
            widths[kv_heads * (dim // heads)] = (path, block)
    if len(widths) > 1:
        width, (path, block) = next(iter(widths.items()))
        findings.error(
            "LS121",
            path,
            f"the value embedding meets key-value widths {', '.join(map(str, sorted(widths)))}",
            "its users need one width (kv_heads * dim / heads)",
            related=findings.related(
                block.place(("attention", "kv_heads"), ("attention", "heads")), f"width {width} comes from here"
            ),
        )


def _flagged_blocks(findings: Findings) -> list[User]:
    blocks = [block for name, group in findings.blocks().items() for block in group_variants(name, group)]
    return [(block.place(("value_embedding",)), block) for block in blocks if block.plain["value_embedding"]]


def _placed_blocks(findings: Findings) -> list[User]:
    users: list[User] = []
    for index, stage in enumerate(findings.stages()):
        group = findings.blocks().get(stage["blocks"])
        if "value_embedding" not in stage["place"] or group is None:
            continue
        try:
            steps = expand_path(stage["path"], group["count"])
            places = expand_numbers(stage["place"]["value_embedding"])
        except PathError:
            continue  # LS112 has said it
        blocks = group_variants(stage["blocks"], group)
        path: YamlPath = ("graph", index, "place", "value_embedding")
        placed = [steps[place] for place in places if place < len(steps)]
        users += [(path, blocks[block]) for block in placed if block < len(blocks)]
    return users
