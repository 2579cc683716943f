"""A module in evaluation for a while, and then as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation, with parameters that take gradients; training flags and buffers are put back at the end."""
    modes = {part: part.training for part in module.modules()}
    takes = {value: value.requires_grad for value in module.parameters()}
    buffers = {part: dict(part._buffers) for part in modes}
    values = {value: value.clone() for value in module.buffers()}
    module.eval().requires_grad_(True)
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training
            part._buffers.update(buffers[part])
        for parameter, flag in takes.items():
            parameter.requires_grad_(flag)
        for buffer, before in values.items():
            buffer.copy_(before)
