"""Operations of the input side: token tables, hashed n-grams, the smear gate, rotary tables."""

from __future__ import annotations

from .operation import ALWAYS, Operation, SiteContext, matrices, nothing


def _table(context: SiteContext) -> int:
    width = context.slots["table"][1]
    if "projection" in context.slots:
        return context.slots["projection"][0] if context.slots["projection"][1] == width else 0
    return width


def _ngram(context: SiteContext) -> int:
    return context.inputs["x"] if _table(context) == context.inputs["x"] else 0


def _smear(context: SiteContext) -> int:
    return context.inputs["x"] if context.slots["gate"] == (context.inputs["x"],) else 0


def _table_kept(context: SiteContext) -> int:
    """Looked-up rows and their projection."""
    return context.slots["table"][1] + (context.width if "projection" in context.slots else 0)


ROTARY_CONSTANTS = {
    "dims": ALWAYS,
    "base": ALWAYS,
    "ntk_reference": None,
    "ntk_exponent": None,
    "direction": "backward",
    "dtype": "float32",
}

INPUT_OPERATIONS: dict[str, Operation] = {
    "tokens": Operation((), "tokens", source=True, width=lambda context: 1, flops=nothing),
    "targets": Operation((), "targets", source=True, width=lambda context: 1, flops=nothing),
    "embedding": Operation(
        ("tokens",), "x", slots=("weight",), width=lambda context: context.slots["weight"][1], flops=nothing
    ),
    "ngram_hash": Operation(
        ("x", "tokens"),
        "x",
        slots=("table", "scale"),
        optional=("starts",),
        optional_slots=("projection",),
        width=_ngram,
        flops=matrices,
        kept=_table_kept,
    ),
    "document_starts": Operation(
        ("tokens",),
        "starts",
        call="document_starts",
        constants={"boundary_token": ALWAYS},
        width=lambda context: 1,
        flops=nothing,
    ),
    "document_mask": Operation(
        ("starts",),
        "mask",
        call="document_mask",
        width=lambda context: 1,
        flops=nothing,
        kept=lambda context: context.length,  # one square of the sequence for all positions
    ),
    "smear_gate": Operation(
        ("x",), "x", slots=("gate",), optional=("starts",), width=_smear, kept=lambda context: 2 * context.width
    ),
    "rotary_table": Operation(
        ("tokens",),
        "rotary",
        call="rotary_table",
        constants=ROTARY_CONSTANTS,
        width=lambda context: int(context.constants["dims"]),
        flops=nothing,
    ),
    "value_embedding": Operation(
        ("tokens",),
        "values",
        slots=("table", "scale"),
        optional_slots=("projection",),
        width=_table,
        flops=matrices,
        kept=lambda context: _table_kept(context) + context.width,  # its output: kept once for all readers
    ),
}
