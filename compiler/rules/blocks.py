"""LS10x: blocks whose numbers do not fit each other or the stream, and settings that their arrangement ignores."""

from __future__ import annotations

from typing import Any

from ..source.wording import quoted
from ..spec.architecture import Mlp
from ..spec.ranges import PathError, expand_numbers
from .arrangement import check_arrangement
from .findings import Findings, YamlPath
from .variants import Variant, group_variants

HEADS: YamlPath = ("attention", "heads")
KV_HEADS: YamlPath = ("attention", "kv_heads")
ROPE_DIMS: YamlPath = ("attention", "rope", "dims")
NORM_SCALE: YamlPath = ("residual", "norm_scale")


def check_blocks(findings: Findings) -> None:
    """Head splits, RoPE dims, MLP widths and norm indices of every block as it will be, and the overrides themselves.

    A problem that several blocks share is reported once.
    """
    for name, group in findings.blocks().items():
        for block in dict.fromkeys(group_variants(name, group)):
            _check_attention(findings, block)
            _check_mlp(findings, block)
            check_arrangement(findings, block)
        _check_norm_indices(findings, ("blocks", name), group["count"], group["residual"]["norm_scale"])
        for index, override in enumerate(group["overrides"]):
            path: YamlPath = ("blocks", name, "overrides", index)
            _check_override_indices(findings, path, override.get("residual", {}).get("norm_scale"))
            _check_override_blocks(findings, (*path, "blocks"), override, name, group["count"])


def _check_attention(findings: Findings, block: Variant) -> None:
    attention, dim = block.plain["attention"], findings.plain["model"]["dim"]
    heads, kv_heads = attention["heads"], attention["kv_heads"]
    if dim % heads:
        near = _nearest_divisor(dim, heads)
        findings.error_once(
            "LS101",
            block.place(HEADS),
            f"model.dim {dim} does not split into {heads} heads",
            f"use {near} heads, or a width that is a multiple of {heads}",
            related=findings.related(("model", "dim"), "the width"),
        )
    if heads % kv_heads:
        findings.error_once(
            "LS102",
            block.place(KV_HEADS, HEADS),
            f"{heads} query heads do not split over {kv_heads} key-value heads",
            f"use kv_heads: {_nearest_divisor(heads, kv_heads)}",
        )
    rank = attention["query_rank"]
    if rank is not None and rank >= dim:
        place = block.place(("attention", "query_rank"))
        message = f"a query of rank {rank} in a stream of width {dim}: the factors are larger than the matrix"
        findings.warning_once("LS519", place, message, f"use a rank below {dim}, or null")
    if dim % heads == 0 and attention["rope"] is not None:
        _check_rope(findings, block, attention["rope"], dim // heads)


def _check_rope(findings: Findings, block: Variant, rope: dict[str, Any], width: int) -> None:
    dims, most = rope.get("dims") or width, width - width % 2
    if dims > width:
        message = f"{dims} rotary dims do not fit into heads of width {width}"
        findings.error_once("LS103", block.place(ROPE_DIMS, HEADS), message, f"use at most {most}")
    elif dims % 2:
        message = f"{dims} rotary dims: they rotate in pairs, so their number is even"
        findings.error_once("LS103", block.place(ROPE_DIMS, HEADS), message, f"set rope.dims to {max(2, dims - 1)}")
    elif rope.get("ntk_reference") is not None:
        by_head = rope.get("ntk_exponent") == "head"
        if (width if by_head else dims) == 2:
            what = "head" if by_head else "dims"
            findings.error_once(
                "LS103",
                block.place(ROPE_DIMS, (*ROPE_DIMS[:-1], "ntk_reference"), HEADS),
                f"{'heads of width 2' if by_head else '2 rotary dims'} leave the exponent {what} / ({what} - 2) "
                "of the NTK rule undefined",
                f"use at least 4{'' if by_head else ' dims'}, or ntk_reference: null",
            )
        _check_rope_dtype(findings, block, rope)
    elif rope.get("ntk_exponent") == "head":
        place = block.place((*ROPE_DIMS[:-1], "ntk_exponent"))
        message = "ntk_exponent has no effect: ntk_reference is null, so that the NTK rule never acts"
        findings.error_once("LS509", place, message, "remove it, or give ntk_reference", key=True)


def _check_rope_dtype(findings: Findings, block: Variant, rope: dict[str, Any]) -> None:
    train, evaluate = findings.plain["train"], findings.plain["evaluate"]
    shortest = min(train["sequence_length"], evaluate["sequence_length"] or train["sequence_length"])
    if rope.get("dtype") == "bfloat16" and rope["ntk_reference"] < shortest:
        message = f"dtype: bfloat16 has no effect: every sequence is longer than ntk_reference {rope['ntk_reference']}"
        hint = "remove it, or raise ntk_reference: it counts only where the NTK rule does not act"
        findings.warning_once("LS509", block.place((*ROPE_DIMS[:-1], "dtype")), message, hint)


def _check_mlp(findings: Findings, block: Variant) -> None:
    mlp = block.plain["mlp"]
    if (mlp["ratio"] is None) == (mlp["hidden"] is None):
        neither = mlp["ratio"] is None
        problem = "neither ratio nor hidden" if neither else "both ratio and hidden"
        hint = "give one of the two" if neither else "keep one and set the other to null"
        place = block.place(("mlp", "ratio"), ("mlp", "hidden"))
        findings.error_once("LS104", place[:-1], f"the MLP has {problem}", hint, key=True)
    elif Mlp(**mlp).width(findings.plain["model"]["dim"]) < 1:
        findings.error_once(
            "LS104",
            block.place(("mlp", "ratio")),
            "the MLP's hidden width rounds down to 0",
            "use a larger ratio, or hidden",
        )
    if mlp["negative_slope"] is not None and mlp["activation"] != "leaky_relu_squared":
        place = block.place(("mlp", "negative_slope"), ("mlp", "activation"))
        left_over = place[-1] == "activation"
        what = "the slope set before this override" if left_over else "negative_slope"
        findings.error_once(
            "LS105",
            place,
            f"{what} has no effect on {mlp['activation']}",
            f"{'add negative_slope: null' if left_over else 'remove it'}, or use activation: leaky_relu_squared",
            key=True,
        )


def _check_norm_indices(findings: Findings, path: YamlPath, count: int, scale: dict[str, Any] | None) -> None:
    if scale is None:
        return
    indices, path = scale.get("indices"), (*path, *NORM_SCALE, "indices")
    if scale["index"] != "explicit":
        _check_useless_indices(findings, path, scale, "remove them, or use index: explicit")
    elif indices is None or len(indices) != count:
        findings.error(
            "LS106",
            path,
            f"index: explicit needs {count} indices, one for each block; there are {len(indices or [])}",
            "list one index for each block of the group",
        )


def _check_override_indices(findings: Findings, path: YamlPath, scale: dict[str, Any] | None) -> None:
    """The list counts the group's blocks, so that an override has no use for it."""
    if scale is None:
        return
    if scale["index"] == "explicit":
        message = "index: explicit in an override: its list of indices belongs to the whole group"
        hint = "set it on the group, with one index for each block"
        findings.error("LS106", (*path, *NORM_SCALE, "index"), message, hint)
    else:
        hint = "remove them: the list of indices belongs to the whole group"
        _check_useless_indices(findings, (*path, *NORM_SCALE, "indices"), scale, hint)


def _check_useless_indices(findings: Findings, path: YamlPath, scale: dict[str, Any], hint: str) -> None:
    if scale.get("indices") is not None:
        findings.error("LS106", path, f"indices have no effect on index: {scale['index']}", hint, key=True)


def _check_override_blocks(findings: Findings, path: YamlPath, override: dict[str, Any], name: str, count: int) -> None:
    try:
        numbers = expand_numbers(override["blocks"])
    except PathError as problem:
        findings.error("LS112", (*path, *problem.where), str(problem), "write the smaller number first")
        return
    missing = sorted({number for number in numbers if number >= count})
    if missing:
        findings.error(
            "LS107",
            path,
            f"group {quoted(name)} has no block {', '.join(map(str, missing[:8]))}",
            f"its blocks are 0..{count - 1}",
            related=findings.related(("blocks", name, "count"), "the number of blocks"),
        )


def _nearest_divisor(number: int, wanted: int) -> int:
    return min((d for d in range(1, number + 1) if number % d == 0), key=lambda d: (abs(d - wanted), d))
