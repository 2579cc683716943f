"""The operations that sites perform: the one registry that graph, passes and emitter share. Imports no torch."""

from __future__ import annotations

from .firing import FIRING_OPERATIONS, FIRING_RULES, FiringRule, OwnStore
from .input import INPUT_OPERATIONS
from .operation import ALWAYS, Operation, SiteContext
from .output import LOSSES, OUTPUT_OPERATIONS
from .stream import STREAM_OPERATIONS
from .sublayers import DELTA_MATRICES, SUBLAYER_OPERATIONS, delta_slots

OPERATIONS: dict[str, Operation] = {
    **INPUT_OPERATIONS,
    **STREAM_OPERATIONS,
    **SUBLAYER_OPERATIONS,
    **FIRING_OPERATIONS,
    **OUTPUT_OPERATIONS,
}

__all__ = [
    "ALWAYS",
    "DELTA_MATRICES",
    "FIRING_RULES",
    "LOSSES",
    "OPERATIONS",
    "FiringRule",
    "Operation",
    "OwnStore",
    "SiteContext",
    "delta_slots",
]
