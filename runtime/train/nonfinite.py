"""Where a run went wrong when its loss is no number."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

_NONE: Mapping[str, Tensor] = MappingProxyType({})


def first_nonfinite(parameters: Mapping[str, nn.Parameter], states: Mapping[str, Tensor] = _NONE) -> str:
    """Words for the first store, in plan order, whose weight is not finite, else the first state, else gradient."""
    for name, parameter in parameters.items():
        if not torch.isfinite(parameter).all():
            return f"weight of store {name}"
    for name, state in states.items():
        if not torch.isfinite(state).all():
            return f"state {name}"
    for name, parameter in parameters.items():
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            return f"gradient of store {name}"
    return "none of the stores; the loss itself overflowed"
