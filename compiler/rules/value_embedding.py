"""LS12x: the value embedding is declared where it is used, used where it is declared, and of one width."""

from __future__ import annotations

from .findings import Findings, YamlPath
from .places import stage_views
from .variants import Variant, group_variants

UNPLACED = frozenset({"LS107", "LS110", "LS111", "LS112", "LS114", "LS116", "LS117"})

User = tuple[YamlPath, Variant]
"""Where a feature is asked for, and a block that has it there."""


def check_value_embedding(findings: Findings) -> None:
    """Declaration and users belong together."""
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
    return [
        (view.place_path("place", "value_embedding"), view.block(step))
        for view in stage_views(findings)
        for step, _ in sorted(view.spots("place", "value_embedding"))
    ]
