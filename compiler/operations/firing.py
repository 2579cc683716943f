"""How parallel firings of a stage become one stream: a rule for each `combine.kind`, and the operations that it needs.

A firing is one loop of a stage whose loops all start from the same stream (parameter-golf PR 579). A rule is given the
firings' outputs in order and builds the sites that combine them; with one firing it builds its one-firing formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..graph.model import Port
from ..spec.init import Dtype, Init
from ..spec.stage import Combine
from .operation import ALWAYS, Operation, SiteContext, matrices


class Combiner(Protocol):
    """What a rule builds with: the sites and the stores of one stage."""

    def call(
        self, role: str, operation: str, /, *inputs: Port, constants: Mapping[str, Any] = ..., **bound: str
    ) -> Port:
        """Adds a site `role`: inputs by position, the stage's own stores and states by slot."""


@dataclass(frozen=True, slots=True)
class OwnStore:
    """A store (or with `state`, a buffer) of the stage, by its name there.

    `acts_at_zero` says that its zeros still do something, as those of a sigmoid's argument; else a store that is never
    trained and starts at zero is an error.
    """

    name: str
    shape: tuple[int, ...]
    init: Init
    dtype: Dtype = "float32"
    state: bool = False
    acts_at_zero: bool = False


@dataclass(frozen=True, slots=True)
class FiringRule:
    """A combine rule.

    Attributes:
        build: from the firings' outputs to the combined stream.
        own: stores and states, for a stream of width d and the number of the stage's firings.
        exactly: the number of firings that the formula is made for (besides one); None: any.
        each: whether stores depend on the number of firings, so that no mode can have more.
    """

    build: Callable[[Combiner, Combine, tuple[Port, ...]], Port]
    own: Callable[[Combine, int, int], tuple[OwnStore, ...]] = lambda combine, dim, firings: ()
    exactly: int | None = None
    each: bool = False


def _gate_stores(combine: Combine, dim: int, firings: int) -> tuple[OwnStore, ...]:
    return (
        OwnStore("gate", (dim, 2 * dim), combine.gate_init, acts_at_zero=True),
        OwnStore("gate_scale", (), Init("constant", value=combine.scale)),
    )


def _last(combiner: Combiner, combine: Combine, firings: tuple[Port, ...]) -> Port:
    return firings[-1]


def _mean(combiner: Combiner, combine: Combine, firings: tuple[Port, ...]) -> Port:
    return firings[0] if len(firings) == 1 else combiner.call("mean", "mean_of", *firings)


def _self_gate(combiner: Combiner, combine: Combine, firings: tuple[Port, ...]) -> Port:
    if len(firings) == 1:
        return firings[0]
    first, last = firings
    blend = combiner.call("blend", "gated_blend", first, last, gate="gate")
    return combiner.call("toward", "blend_toward", last, blend, scale="gate_scale")


def _ema_gate(combiner: Combiner, combine: Combine, firings: tuple[Port, ...]) -> Port:
    if len(firings) == 1:
        blend = combiner.call("blend_average", "gated_blend_average", *firings, average="average", gate="gate")
        return combiner.call("toward", "blend_toward", firings[0], blend, scale="gate_scale")
    first, last = firings
    blend = combiner.call("blend", "gated_blend", first, last, gate="gate")
    update = "update_average_always" if combine.update_in_evaluation else "update_average"
    combiner.call("average", update, blend, constants={"decay": combine.decay}, average="average")
    return combiner.call("toward", "blend_toward", last, blend, scale="gate_scale")


def _reference_gate(combiner: Combiner, combine: Combine, firings: tuple[Port, ...]) -> Port:
    last = firings[-1]
    blend = last
    if len(firings) > 1:
        blend = combiner.call("blend", "gated_blend", *firings, gate="gate")
    blend = combiner.call("blend_reference", "gated_blend_reference", blend, reference="reference", gate="gate")
    return combiner.call("toward", "blend_toward", last, blend, scale="gate_scale")


def _average_stores(combine: Combine, dim: int, firings: int) -> tuple[OwnStore, ...]:
    average = OwnStore("average", (dim,), Init("zero"), combine.dtype, state=True)
    return (*_gate_stores(combine, dim, firings), average)


def _reference_stores(combine: Combine, dim: int, firings: int) -> tuple[OwnStore, ...]:
    reference = OwnStore("reference", (dim,), Init("zero"), combine.dtype, acts_at_zero=True)
    return (*_gate_stores(combine, dim, firings), reference)


FIRING_RULES: dict[str, FiringRule] = {
    "last": FiringRule(_last),
    "mean": FiringRule(_mean),
    "self_gate": FiringRule(_self_gate, _gate_stores, exactly=2),
    "ema_gate": FiringRule(_ema_gate, _average_stores, exactly=2),
    "reference_gate": FiringRule(_reference_gate, _reference_stores, exactly=2),
}


def _gate_width(context: SiteContext) -> int:
    width = context.inputs["a"]
    return width if context.slots["gate"] == (width, 2 * width) else 0


def _gate_kept(context: SiteContext) -> int:
    """Both sides joined, the share and its rest, the streams blended: a vector for all tokens takes no room."""
    return (6 if "b" in context.inputs else 5) * context.width


def _blend(inputs: tuple[str, ...], call: str, slots: tuple[str, ...], states: tuple[str, ...] = ()) -> Operation:
    return Operation(
        inputs, "k", call=call, slots=slots, states=states, width=_gate_width, flops=matrices, kept=_gate_kept
    )


def _average(training: bool) -> Operation:
    return Operation(
        ("k",),
        "average",
        call="{average}.copy_(update_average({k}, {average}, {decay}))",
        states=("average",),
        writes=("average",),
        outputs=(),
        constants={"decay": ALWAYS},
        width=lambda context: context.inputs["k"],
        training=training,
    )


FIRING_OPERATIONS: dict[str, Operation] = {
    "mean_of": Operation(("input0",), "x", call="mean_of", variadic=True),
    "gated_blend": _blend(("a", "b"), "gated_blend", ("gate",)),
    "gated_blend_reference": _blend(("a",), "gated_blend({a}, {reference}, {gate})", ("reference", "gate")),
    "gated_blend_average": _blend(("a",), "gated_blend({a}, {average}, {gate})", ("gate",), ("average",)),
    "blend_toward": Operation(
        ("x", "target"), "x", call="blend_toward", slots=("scale",), kept=lambda context: context.width
    ),
    "update_average": _average(training=True),
    "update_average_always": _average(training=False),
}
