"""Containers whose children have the plan's names: parts of a block, what belongs to a stage, numbered sublayers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


class Part(nn.Module):
    """Children under their own names: parameters, buffers, sublayers, further containers."""

    def __init__(self, **children: nn.Parameter | nn.Buffer | nn.Module) -> None:
        super().__init__()
        for name, child in children.items():
            assert not hasattr(self, name), f"{name} is a name of torch's"
            setattr(self, name, child)


class Numbered(nn.Module):
    """Sublayers under numbers that need not be consecutive: `numbered[7]` is what the plan calls `….7`."""

    def __init__(self, children: Mapping[int, nn.Module]) -> None:
        super().__init__()
        for number, child in children.items():
            self.add_module(str(number), child)

    def __getitem__(self, number: int) -> nn.Module:
        child = self._modules[str(number)]
        assert child is not None
        return child


def buffer(*shape: int, dtype: torch.dtype = torch.float32) -> nn.Buffer:
    """A buffer of zeros, saved with the weights."""
    return nn.Buffer(torch.zeros(shape, dtype=dtype))
