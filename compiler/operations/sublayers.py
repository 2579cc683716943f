"""Attention and MLP: sublayers that hold their matrices; what varies by position is passed to the call."""

from __future__ import annotations

from .operation import ALWAYS, Operation, SiteContext, matrices

DELTA_MATRICES = {
    "attention": ("query", "key", "value", "output"),
    "mlp": ("gate", "up", "down"),
}
"""Matrices of each sublayer that a low-rank delta can change."""


def delta_slots(matrix: str) -> tuple[str, str]:
    """The two slots of a matrix's low-rank delta, (r, inputs) and (outputs, r)."""
    return f"{matrix}_delta_down", f"{matrix}_delta_up"


def _all_deltas(sublayer: str) -> tuple[str, ...]:
    return tuple(slot for matrix in DELTA_MATRICES[sublayer] for slot in delta_slots(matrix))


def _query(context: SiteContext) -> tuple[int, int]:
    """Rows and columns of the query, whole or in two factors."""
    slots = context.slots
    return slots["query"] if "query" in slots else (slots["query_up"][0], slots["query_down"][1])  # type: ignore[return-value]


def _attention_width(context: SiteContext) -> int:
    slots = context.slots
    columns = (_query(context)[1], slots["key"][1], slots["value"][1], slots["output"][1])
    fits = all(width == context.inputs["x"] for width in columns)
    return slots["output"][0] if fits and context.inputs.get("values", slots["value"][0]) == slots["value"][0] else 0


def _attention_flops(context: SiteContext) -> int:
    """The matrices, then scores and weighted sum: 2 * 2 * width FLOPs for each of (T + 1) / 2 keys."""
    return matrices(context) + 2 * _query(context)[0] * (context.length + 1)


def _attention_kept(context: SiteContext) -> int:
    """Input; queries and keys before the norm, after the rotation and after the gain; values; the kernel's output."""
    query, key = _query(context)[0], context.slots["key"][0]
    norm = int(bool(context.constants.get("qk_norm")))
    gain = int("gain" in context.slots)
    exclusive = query + key if context.constants.get("exclusive") else 0
    inner = context.slots["query_down"][0] if "query_down" in context.slots else 0
    differential = 2 * query if "mix" in context.slots else 0
    kept = context.inputs["x"] + query * (norm + 1 + gain) + key * (norm + 1) + key + query + exclusive
    return kept + inner + differential + _deltas_kept(context)


def _deltas_kept(context: SiteContext) -> int:
    return sum(shape[0] for slot, shape in context.slots.items() if slot.endswith("_delta_down"))


def _mlp_width(context: SiteContext) -> int:
    up, down = context.slots["up"], context.slots["down"]
    gate = context.slots.get("gate", up)
    return down[0] if up[1] == context.inputs["x"] and down[1] == up[0] and gate == up else 0


ACTIVATION_KEPT = {"leaky_relu_squared": 3, "relu_squared": 2, "swiglu": 4}
"""Tensors as wide as the hidden features that autograd keeps for each activation, its result included."""


def _mlp_kept(context: SiteContext) -> int:
    """Input, and what the activation keeps."""
    kept = ACTIVATION_KEPT[str(context.constants["activation"])]
    return context.inputs["x"] + kept * context.slots["up"][0] + _deltas_kept(context)


def _attention(outputs: tuple[str, ...]) -> Operation:
    return Operation(
        ("x",),
        "h",
        slots=("key", "value", "output"),
        optional=("rotary", "values", "mask"),
        optional_slots=("query", "query_down", "query_up", "gain", "mix", *_all_deltas("attention")),
        outputs=outputs,
        constants={"exclusive": False, **({"return_values": ALWAYS} if len(outputs) > 1 else {})},
        width=_attention_width,
        flops=_attention_flops,
        kept=_attention_kept,
    )


SUBLAYER_OPERATIONS: dict[str, Operation] = {
    "attention": _attention(("out",)),
    "attention_and_values": _attention(("out", "values")),
    "scale_values": Operation(
        ("values",), "v", call="{values} * {scale}", slots=("scale",), width=lambda context: context.inputs["values"]
    ),
    "add_values": Operation(
        ("values", "first"),
        "v",
        call="{values} + {scale} * {first}",
        slots=("scale",),
        width=lambda c: c.inputs["values"],
    ),
    "mlp": Operation(
        ("x",),
        "h",
        slots=("up", "down"),
        optional_slots=("gate", *_all_deltas("mlp")),
        width=_mlp_width,
        flops=matrices,
        kept=_mlp_kept,
    ),
}
