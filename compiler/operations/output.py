"""Operations of the output side: logits and losses."""

from __future__ import annotations

from .operation import ALWAYS, Operation, SiteContext, matrices, nothing


def _head(context: SiteContext) -> int:
    return context.slots["weight"][0] if context.slots["weight"][1] == context.inputs["x"] else 0


def _head_kept(context: SiteContext) -> int:
    """Input, and the tanh of the softcap."""
    return context.inputs["x"] + (context.width if context.constants.get("softcap") is not None else 0)


def _cross_entropy_kept(context: SiteContext) -> int:
    """Probabilities; a z-loss keeps the logits too, and the log-partition."""
    logits = context.inputs["logits"]
    return 2 * logits + 1 if context.constants.get("z_loss") else logits


def _one(context: SiteContext) -> int:
    return 1


LOSSES = frozenset({"cross_entropy", "weighted_loss", "learned_weighted_loss"})
"""Operations whose result a mode may end in."""

OUTPUT_OPERATIONS: dict[str, Operation] = {
    "head": Operation(
        ("x",),
        "logits",
        call="project_logits",
        slots=("weight",),
        constants={"softcap": None},
        width=_head,
        flops=matrices,
        kept=_head_kept,
    ),
    "cross_entropy": Operation(
        ("logits", "targets"),
        "loss",
        call="cross_entropy",
        constants={"label_smoothing": 0.0, "z_loss": 0.0},
        width=_one,
        kept=_cross_entropy_kept,
    ),
    "multi_token_loss": Operation(
        ("x", "targets"),
        "loss_ahead",
        call="multi_token_loss",
        slots=("weight",),
        constants={"offset": ALWAYS, "softcap": None},
        width=_one,
        flops=matrices,
        kept=lambda context: 2 * context.slots["weight"][0] + context.inputs["x"],
    ),
    "weighted_loss": Operation(
        ("loss",), "loss", call="weighted_loss", variadic=True, constants={"weights": ALWAYS}, width=_one, flops=nothing
    ),
    "learned_weighted_loss": Operation(
        ("loss",),
        "loss",
        call="learned_weighted_loss",
        slots=("weights",),
        variadic=True,
        constants={"firings": ALWAYS},
        width=_one,
        flops=nothing,
    ),
}
