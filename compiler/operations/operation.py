"""What an operation is: its ports and slots, how a call of it is written, and what it costs. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

ALWAYS = object()
"""A constant without default: every call names it."""

Widths = Mapping[str, int]  # features by input port
Shapes = Mapping[str, tuple[int, ...]]  # by slot


@dataclass(frozen=True, slots=True)
class SiteContext:
    """What the rules of an operation may look at.

    Attributes:
        constants: the site's attributes.
        inputs: features of each input.
        slots: shapes of the stores bound.
        width: features of the output (0 while it is being inferred).
        length: tokens of a training sequence.
    """

    constants: Mapping[str, Any]
    inputs: Widths
    slots: Shapes
    width: int = 0
    length: int = 1


Rule = Callable[[SiteContext], int]


def same_as_x(context: SiteContext) -> int:
    """Elementwise on the stream: every other stream and every vector has the width of the first input."""
    width = next(iter(context.inputs.values()))
    fits = all(shape[-1] == width for shape in context.slots.values() if shape)
    return width if fits and all(other == width for other in context.inputs.values()) else 0


def elementwise(context: SiteContext) -> int:
    """A multiply-add for each feature."""
    return 2 * context.width


def nothing(context: SiteContext) -> int:
    """No FLOPs, or nothing kept for the backward pass."""
    return 0


def matrices(context: SiteContext) -> int:
    """A multiply-add for each element of each matrix; a table is only looked up."""
    return sum(2 * shape[0] * shape[1] for slot, shape in context.slots.items() if len(shape) == 2 and slot != "table")


def keeps_input(context: SiteContext) -> int:
    """The first input."""
    return next(iter(context.inputs.values()))


def keeps_output(context: SiteContext) -> int:
    """As much as the output is wide."""
    return context.width


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation's signature.

    Attributes:
        inputs: required input ports, in the order of the call's positional arguments.
        variable: name that the emitted source gives its result, where nothing else needs that name.
        call: how a call is written. A template in braces over ports, slots and states (`{x} + {vector}`); else the
            name of a function of compiler/modules, called with inputs and slots by position; else empty: the site's
            own sublayer (`.name`: that method of it), which holds the slots as its parameters.
        slots: stores that must be bound; `optional_slots` may be missing.
        optional: input ports that may be missing; passed by keyword.
        states: slots bound to states that the call reads; `writes` are those that it replaces.
        outputs: names of its output ports.
        constants: what the call passes by keyword, with the value at which it is left out (ALWAYS: never).
        variadic: further inputs may follow, in ports named `input1`, `input2`, ...
        source: an argument of forward; nothing that runs.
        training: runs only while the module is in training mode.
        width, flops, kept: features of the output (0: does not fit), FLOPs a token forward, features kept for backward.
    """

    inputs: tuple[str, ...]
    variable: str
    call: str = ""
    slots: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    optional_slots: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("out",)
    constants: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    variadic: bool = False
    source: bool = False
    training: bool = False
    width: Rule = same_as_x
    flops: Rule = elementwise
    kept: Rule = nothing

    @property
    def sublayer(self) -> bool:
        """Whether a call goes to a sublayer that holds the slots."""
        return not self.source and (not self.call or self.call.startswith("."))

    def accepts(self, port: str) -> bool:
        """Whether the operation has that input port."""
        further = self.variadic and port.startswith("input") and port[5:].isdigit()
        return further or port in self.inputs + self.optional
