"""Private parts and low-rank deltas: they belong to something that the blocks at their positions have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph.model import Store
from ..passes.draft import Draft
from ..spec.architecture import Mlp
from .findings import Findings
from .places import StageView

Plain = dict[str, Any]

PART_NEEDS: dict[str, tuple[Callable[[Plain], bool], str]] = {
    "attention_scale": (lambda block: bool(block["residual"]["branch_scale"]), "residual.branch_scale is false"),
    "mlp_scale": (lambda block: bool(block["residual"]["branch_scale"]), "residual.branch_scale is false"),
    "residual_mix": (lambda block: bool(block["residual"]["x0_mix"]), "residual.x0_mix is false"),
    "gain": (lambda block: block["attention"]["q_gain"] is not None, "attention.q_gain is null"),
    "value_scale": (lambda block: bool(block["value_embedding"]), "value_embedding is false"),
    "recurrence_gate": (
        lambda block: bool(block["residual"]["arrangement"]["kind"] == "bounded"),
        "residual.arrangement is not bounded",
    ),
    "token_gate": (lambda block: bool(block["residual"]["token_gate"]), "residual.token_gate is false"),
}


def check_parts(findings: Findings, view: StageView) -> None:
    """Every private part and every changed matrix exists at its positions."""
    for part in view.plain["private"]:
        _check_present(findings, view, part)
    _check_gain(findings, view)
    if view.plain["delta"] is not None:
        _check_delta(findings, view)


def _check_present(findings: Findings, view: StageView, part: str) -> None:
    has, reason = PART_NEEDS.get(part, (lambda block: True, ""))
    for step, _ in sorted(view.spots("private", part)):
        if not has(view.block(step).plain):
            findings.error(
                "LS507",
                view.place_path("private", part),
                f"position {step} has no {part} to own: {reason} on block {view.steps[step]}",
                "leave the position out, or give the block the part",
                key=True,
            )
            return


def _check_gain(findings: Findings, view: StageView) -> None:
    both = view.spots("private", "gain") & view.spots("private", "attention")
    path = view.place_path("private", "gain")
    if both:
        message = f"position {min(both)[0]} has an attention of its own, which brings its gain"
        findings.error("LS507", path, message, "leave the position out of `gain`", key=True)
    heads = {
        (block["attention"]["heads"], block["attention"]["differential"])
        for block in (view.block(step).plain for step, _ in view.spots("private", "gain"))
    }
    if len(heads) > 1:
        counts = ", ".join(str(number * (2 if differential else 1)) for number, differential in sorted(heads))
        message = f"private gains for blocks of {counts} query heads: the gains of a stage are vectors of one length"
        findings.error("LS129", path, message, "give private gains to blocks with as many heads, or use two stages")


def _check_delta(findings: Findings, view: StageView) -> None:
    delta, path = view.plain["delta"], (*view.path, "delta")
    dim = findings.plain["model"]["dim"]
    for index, matrix in enumerate(delta["matrices"]):
        for step, _ in sorted(view.spots("delta")):
            block = view.block(step).plain
            if matrix == "mlp.gate" and block["mlp"]["activation"] != "swiglu":
                message = f"block {view.steps[step]} at position {step} has no mlp.gate: its activation is no swiglu"
                hint = "change mlp.up, or use activation: swiglu"
                findings.error("LS124", (*path, "matrices", index), message, hint)
                break
            side = _smaller_side(matrix, block, dim)
            if delta["rank"] >= side:
                findings.warning(
                    "LS519",
                    (*path, "rank"),
                    f"a delta of rank {delta['rank']} is larger than {matrix}, whose smaller side is {side}",
                    f"use a rank below {side}, or a private copy",
                )
                return


def _smaller_side(matrix: str, block: Plain, dim: int) -> int:
    attention = block["attention"]
    if matrix.startswith("mlp"):
        mlp = Mlp(**block["mlp"])
        one_width = (mlp.ratio is None) != (mlp.hidden is None)  # else LS104 has said it
        return min(dim, mlp.width(dim)) if one_width else dim
    if matrix in ("attention.key", "attention.value"):
        return int(attention["kv_heads"] * (dim // attention["heads"]))
    return dim


def check_shared_parts(findings: Findings, draft: Draft) -> None:
    """LS507, LS508: parts that are kept though they run anyway, copies of what runs once."""
    assert draft.graph is not None
    stores = draft.graph.stores
    runs: dict[str, int] = {}
    for run in draft.executions:
        runs[run.block_name] = runs.get(run.block_name, 0) + 1
    for index, stage in enumerate(draft.spec.architecture.stages):
        for part, private in stage.private.items():
            path = ("graph", index, "private", part)
            owners = [
                run.block_name
                for run in draft.executions
                if run.stage is stage and run.number is not None and private.at.holds(run.step, run.loop)
            ]
            if private.keep_shared:
                kept = [store for name in owners for store in stores if _belongs(store, name, part)]
                if all(draft.uses[store.name].modes for store in kept):
                    message = f"keep_shared: every shared {part} runs somewhere, and is stored in any case"
                    findings.error("LS507", (*path, "keep_shared"), message, "remove it", key=True)
            once = [name for name in owners if runs[name] == 1]
            if once:
                message = f"block {once[0]} runs once: a {part} of its own is the block's only one"
                findings.warning("LS508", path, message, "leave its position out", key=True)


def _belongs(store: Store, block: str, part: str) -> bool:
    """Whether a store is of the block's shared part."""
    whole = f"blocks.{block}.{'attention.gain' if part == 'gain' else part}"
    return store.name == whole or store.name.startswith(f"{whole}.")
