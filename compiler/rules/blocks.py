"""LS10x: blocks whose numbers do not fit each other or the stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..source.wording import quoted
from ..spec.ranges import PathError, expand_numbers
from .findings import Findings, YamlPath


def check_blocks(findings: Findings) -> None:
    """Head splits, RoPE dims, MLP widths, overrides and norm indices of every group."""
    for name, group in findings.blocks().items():
        for path, part in _variants(name, group):
            _check_attention(findings, path, _laid_over(group["attention"], part.get("attention", {})))
            _check_mlp(findings, path, group["mlp"] | part.get("mlp", {}))
            _check_norm_scale(findings, path, group["count"], part.get("residual", {}))
        for index, override in enumerate(group["overrides"]):
            _check_override_blocks(
                findings, ("blocks", name, "overrides", index, "blocks"), override, name, group["count"]
            )


def _variants(name: str, group: dict[str, Any]) -> Iterator[tuple[YamlPath, dict[str, Any]]]:
    """The group itself, then each of its overrides, with where it stands."""
    yield ("blocks", name), group
    for index, override in enumerate(group["overrides"]):
        yield ("blocks", name, "overrides", index), override


def _laid_over(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """An override's keys over the group's, with `rope` merged key by key as the spec is built."""
    rope, changed = base["rope"], change.get("rope", {})
    return base | change | {"rope": None if changed is None else rope if not changed else (rope or {}) | changed}


def _check_attention(findings: Findings, path: YamlPath, attention: dict[str, Any]) -> None:
    dim, heads, kv_heads = findings.plain["model"]["dim"], attention["heads"], attention["kv_heads"]
    if dim % heads:
        near = _nearest_divisor(dim, heads)
        findings.error(
            "LS101",
            (*path, "attention", "heads"),
            f"model.dim {dim} does not split into {heads} heads",
            f"use {near} heads, or a width that is a multiple of {heads}",
            related=findings.related(("model", "dim"), "the width"),
        )
    if heads % kv_heads:
        findings.error(
            "LS102",
            (*path, "attention", "kv_heads"),
            f"{heads} query heads do not split over {kv_heads} key-value heads",
            f"use kv_heads: {_nearest_divisor(heads, kv_heads)}",
        )
    if dim % heads == 0:
        _check_rope(findings, (*path, "attention", "rope"), attention["rope"], dim // heads)


def _check_rope(findings: Findings, path: YamlPath, rope: dict[str, Any] | None, width: int) -> None:
    if rope is None:
        return
    dims, most = rope.get("dims") or width, width - width % 2
    if dims > width:
        message = f"{dims} rotary dims do not fit into heads of width {width}"
        findings.error("LS103", (*path, "dims"), message, f"use at most {most}")
    elif dims % 2:
        message = f"{dims} rotary dims: they rotate in pairs, so their number is even"
        findings.error("LS103", (*path, "dims"), message, f"set rope.dims to {max(2, dims - 1)}")
    elif rope.get("ntk_reference") is not None and dims == 2:
        findings.error(
            "LS103",
            (*path, "dims"),
            "2 rotary dims leave the exponent dims / (dims - 2) of the NTK rule undefined",
            "use at least 4 dims, or ntk_reference: null",
        )


def _check_mlp(findings: Findings, path: YamlPath, mlp: dict[str, Any]) -> None:
    if (mlp["ratio"] is None) == (mlp["hidden"] is None):
        neither = mlp["ratio"] is None
        problem = "neither ratio nor hidden" if neither else "both ratio and hidden"
        hint = "give one of the two" if neither else "keep one and set the other to null"
        findings.error("LS104", (*path, "mlp"), f"the MLP has {problem}", hint, key=True)
    elif mlp["ratio"] is not None and int(mlp["ratio"] * findings.plain["model"]["dim"]) < 1:
        findings.error(
            "LS104", (*path, "mlp", "ratio"), "the MLP's hidden width rounds down to 0", "use a larger ratio, or hidden"
        )
    if mlp["negative_slope"] is not None and mlp["activation"] != "leaky_relu_squared":
        findings.error(
            "LS105",
            (*path, "mlp", "negative_slope"),
            f"negative_slope has no effect on {mlp['activation']}",
            "remove it, or use activation: leaky_relu_squared",
            key=True,
        )


def _check_norm_scale(findings: Findings, path: YamlPath, count: int, residual: dict[str, Any]) -> None:
    scale = residual.get("norm_scale")
    if scale is None:
        return
    indices = scale.get("indices")
    path = (*path, "residual", "norm_scale")
    if scale["index"] != "explicit":
        if indices is not None:
            findings.error(
                "LS106",
                (*path, "indices"),
                f"indices have no effect on index: {scale['index']}",
                "remove them, or use index: explicit",
                key=True,
            )
    elif indices is None or len(indices) != count:
        findings.error(
            "LS106",
            (*path, "indices"),
            f"index: explicit needs {count} indices, one for each block; there are {len(indices or [])}",
            "list one index for each block of the group",
        )


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
