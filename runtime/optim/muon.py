"""Muon: Nesterov momentum, orthogonalised, for two-dimensional stores (Keller Jordan, 2024).

`torch.optim.Muon` computes the same update and is the oracle of the tests; this one batches equal shapes, computes in
float32 on CPU and is several times faster there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .newton_schulz import newton_schulz


def default_dtype(device: torch.device) -> torch.dtype:
    """Dtype of the Newton-Schulz iteration: bfloat16 on an accelerator, as published, float32 on CPU.

    Without AVX512-bf16 a bfloat16 product on CPU takes 10 to 30 times as long as a float32 one, and one default for
    all processors keeps a run's bits independent of what the processor offers.
    """
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def rectangular_scale(rows: int, cols: int) -> float:
    """Muon's factor for tall matrices, sqrt(max(1, rows / cols)); rows are outputs."""
    return float(max(1.0, rows / cols) ** 0.5)


def muon_directions(
    gradients: Sequence[Tensor],
    buffers: Sequence[Tensor],
    momentum: float,
    *,
    nesterov: bool,
    steps: int,
    dtype: torch.dtype,
) -> list[Tensor]:
    """Advance the momentum `buffers` in place and return the orthogonalised, scaled directions, in input order.

    Args:
        gradients: matrices (rows, cols) of any shapes.
        buffers: one for each gradient, same shape; b <- momentum b + g, without a (1 - momentum) factor.
        steps: Newton-Schulz steps.
        dtype: of the iteration, and of what is returned.
    """
    directions: list[Tensor] = []
    for gradient, buffer in zip(gradients, buffers, strict=True):
        buffer.mul_(momentum).add_(gradient)
        directions.append(gradient.add(buffer, alpha=momentum) if nesterov else buffer)
    by_shape: dict[torch.Size, list[int]] = {}
    for index, direction in enumerate(directions):
        by_shape.setdefault(direction.shape, []).append(index)
    for shape, indices in by_shape.items():
        stacked = newton_schulz(torch.stack([directions[index] for index in indices]), steps, dtype)
        stacked = stacked * rectangular_scale(shape[0], shape[1])
        for index, matrix in zip(indices, stacked.unbind(), strict=True):
            directions[index] = matrix
    return directions


class Muon(torch.optim.Optimizer):
    """Muon with decoupled weight decay: p <- p (1 - lr wd) - lr scale(p) NS(g + m b).

    A parameter whose gradient is None is left alone: no update, no decay, no momentum.

    Args:
        params: two-dimensional parameters, or groups of them.
        dtype: of the Newton-Schulz iteration; `default_dtype` says what to pass.

    Raises:
        ValueError: a parameter is not two-dimensional.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: float,
        momentum: float,
        weight_decay: float,
        nesterov: bool,
        newton_schulz_steps: int,
        dtype: torch.dtype,
    ) -> None:
        defaults: dict[str, Any] = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        defaults |= {"nesterov": nesterov, "newton_schulz_steps": newton_schulz_steps}
        super().__init__(params, defaults)
        self.dtype = dtype
        for parameter in (parameter for group in self.param_groups for parameter in group["params"]):
            if parameter.ndim != 2:
                raise ValueError(f"Muon takes matrices only, got shape {tuple(parameter.shape)}; use adamw for it")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient; closures are not supported."""
        assert closure is None, "Muon evaluates no closure"
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if parameters:
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        directions = muon_directions(
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [self._buffer(parameter) for parameter in parameters],
            group["momentum"],
            nesterov=group["nesterov"],
            steps=group["newton_schulz_steps"],
            dtype=self.dtype,
        )
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
            parameter.add_(direction.to(parameter.dtype), alpha=-group["lr"])

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer = state["momentum_buffer"]
        assert isinstance(buffer, Tensor)
        return buffer
