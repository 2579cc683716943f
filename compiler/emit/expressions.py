"""The emitted expression of a site, from its operation's way of being called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..graph.model import Site
from ..operations import ALWAYS, OPERATIONS, Operation
from .names import stored_expression


@dataclass(frozen=True, slots=True)
class Call:
    """A site with its inputs (variables by port), stores and states (names by slot)."""

    site: Site
    inputs: Mapping[str, str]
    stores: Mapping[str, str]
    states: Mapping[str, str]

    @property
    def operation(self) -> Operation:
        """What the site performs."""
        return OPERATIONS[self.site.operation]

    def stored(self, slot: str) -> str:
        """Expression of the store or state bound to a slot."""
        return stored_expression(self.stores[slot] if slot in self.stores else self.states[slot])


def expression(call: Call) -> str:
    """Python source of a site's value."""
    operation = call.operation
    if "{" in operation.call:
        return _template(call)
    arguments = _positional(call)
    if operation.sublayer:
        assert call.site.module is not None
        arguments += _overrides(call)
        return f"{stored_expression(call.site.module)}{operation.call}({', '.join(arguments + _constants(call))})"
    slots = [slot for slot in operation.slots if slot in call.stores]
    stores = [f"{slot}={call.stored(slot)}" if operation.variadic else call.stored(slot) for slot in slots]
    return f"{operation.call}({', '.join(arguments + stores + _constants(call))})"


def _template(call: Call) -> str:
    names = {slot: call.stored(slot) for slot in (*call.stores, *call.states)}
    constants = {name: repr(value) for name, value in call.site.attributes}
    return call.operation.call.format(**constants, **names, **call.inputs)


def _positional(call: Call) -> list[str]:
    """Required inputs, further ones of variadic operations, then optional ones by keyword."""
    operation = call.operation
    further = sorted((port for port in call.inputs if port not in operation.inputs + operation.optional), key=_number)
    required = [call.inputs[port] for port in (*operation.inputs, *further)]
    return required + [f"{port}={call.inputs[port]}" for port in operation.optional if port in call.inputs]


def _number(port: str) -> int:
    return int(port.removeprefix("input"))


def _overrides(call: Call) -> list[str]:
    """Stores that are not the sublayer's own, by keyword."""
    own = f"{call.site.module}."
    return [f"{slot}={call.stored(slot)}" for slot, store in call.stores.items() if store != own + slot]


def _constants(call: Call) -> list[str]:
    given = dict(call.site.attributes)
    return [
        f"{name}={given[name]!r}"
        for name, default in call.operation.constants.items()
        if default is ALWAYS or given.get(name, default) != default
    ]
