"""The operations that sites perform: their ports and slots. The one registry that graph, emitter and oracle share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation's signature.

    Attributes:
        inputs: required input ports.
        optional: input ports that may be missing.
        slots: stores that must be bound; `optional_slots` may be missing.
        outputs: names of its output ports.
        variable: name that the emitted source gives its result, where nothing else needs that name.
    """

    inputs: tuple[str, ...]
    variable: str
    slots: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    optional_slots: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("out",)


OPERATIONS: dict[str, Operation] = {
    # sources: arguments of forward
    "tokens": Operation((), "tokens"),
    "targets": Operation((), "targets"),
    # input side
    "embedding": Operation(("tokens",), "x", slots=("weight",)),
    "ngram_hash": Operation(("x", "tokens"), "x", slots=("table", "scale"), optional_slots=("projection",)),
    "smear_gate": Operation(("x",), "x", slots=("gate",)),
    "rotary_table": Operation(("tokens",), "rotary"),
    "value_embedding": Operation(("tokens",), "values", slots=("table", "scale"), optional_slots=("projection",)),
    # the stream
    "rms_norm": Operation(("x",), "h"),
    "add_vector": Operation(("x",), "x", slots=("vector",)),
    "add_skip": Operation(("x", "skip"), "x", slots=("weight",)),
    "residual_mix": Operation(("x", "x0"), "x", slots=("mix",)),
    "scale_values": Operation(("values",), "v", slots=("scale",)),
    "attention": Operation(
        ("x",), "h", slots=("query", "key", "value", "output"), optional=("rotary", "values"), optional_slots=("gain",)
    ),
    "mlp": Operation(("x",), "h", slots=("up", "down")),
    "residual_add": Operation(("x", "branch"), "x", optional_slots=("scale",)),
    # output side
    "head": Operation(("x",), "logits", slots=("weight",)),
    "cross_entropy": Operation(("logits", "targets"), "loss"),
}
