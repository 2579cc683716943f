"""Parameters by slot name, so that a module's state-dict names are the plan's store names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import torch
from torch import Tensor, nn


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    """A parameter of zeros; the plan's initialisation or an artifact fills it."""
    return nn.Parameter(torch.zeros(shape, dtype=dtype))


class Vectors(nn.Module):
    """Parameters of one shape, each under its own number: `vectors[3]` is the store `….3`."""

    def __init__(self, keys: Iterable[int], *shape: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        for key in keys:
            self.register_parameter(str(key), empty(*shape, dtype=dtype))

    def __getitem__(self, key: int) -> Tensor:
        vector = self._parameters[str(key)]
        assert vector is not None
        return vector


class Named(nn.ModuleDict):
    """A ModuleDict that takes any name, those of its own methods too (a stage may be called `values`)."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        self._modules.update(modules)

    def train(self, mode: bool = True) -> Self:
        """As nn.Module.train, whose assignment to `training` a module of that name would stop."""
        self.__dict__["training"] = mode
        for module in self.children():
            module.train(mode)
        return self
