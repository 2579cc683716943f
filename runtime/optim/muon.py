"""Muon: Nesterov momentum, orthogonalised, for two-dimensional stores (Keller Jordan, 2024).

`torch.optim.Muon` computes the same update and is the oracle of the tests; this one batches equal shapes, computes in
float32 on CPU, is several times faster there, and has the options that published runs of the challenge use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ...compiler.spec.optimizer import Coefficients, GroupOptimizer
from .newton_schulz import QUINTIC, newton_schulz, polar_express

ROW_NORM_FLOOR = 1e-7


@dataclass(frozen=True, slots=True)
class MuonOptions:
    """What stays the same over a run.

    Attributes:
        coefficients: of each Newton-Schulz step.
        dtype: of the Newton-Schulz steps, and of the directions they give.
        normalize: `rows` divides each row of the momentum matrix by its norm first (MuonEq-R).
        decay: whether p <- p (1 - lr wd) comes before the update (most published runs) or after it (PR 167).
    """

    nesterov: bool = True
    coefficients: tuple[Coefficients, ...] = (QUINTIC,) * 5
    dtype: torch.dtype = torch.float32
    normalize: Literal["none", "rows"] = "none"
    decay: Literal["before", "after"] = "before"


def muon_options(options: GroupOptimizer, device: torch.device) -> MuonOptions:
    """What the spec says, of parameters on a device."""
    assert options.nesterov is not None and options.newton_schulz_steps is not None
    rows, steps = options.newton_schulz_coefficients, options.newton_schulz_steps
    if rows == "quintic":
        rows = (QUINTIC,) * steps
    elif rows == "polar_express":
        rows = polar_express(steps)
    assert len(rows) == steps, "LS533"
    named = {"auto": default_dtype(device), "float32": torch.float32, "bfloat16": torch.bfloat16}
    dtype = named[options.newton_schulz_dtype]
    return MuonOptions(options.nesterov, rows, dtype, options.normalize, options.decay)


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
    gradients: Sequence[Tensor], buffers: Sequence[Tensor], momentum: float, options: MuonOptions
) -> list[Tensor]:
    """Advance the momentum `buffers` in place and return the orthogonalised, scaled directions, in input order.

    Args:
        gradients: matrices (rows, cols) of any shapes.
        buffers: one for each gradient, same shape; b <- momentum b + g, without a (1 - momentum) factor.
    """
    directions: list[Tensor] = []
    for gradient, buffer in zip(gradients, buffers, strict=True):
        buffer.mul_(momentum).add_(gradient)
        directions.append(gradient.add(buffer, alpha=momentum) if options.nesterov else buffer)
    by_shape: dict[torch.Size, list[int]] = {}
    for index, direction in enumerate(directions):
        by_shape.setdefault(direction.shape, []).append(index)
    for shape, indices in by_shape.items():
        stacked = torch.stack([directions[index] for index in indices])
        if options.normalize == "rows":
            stacked = stacked / stacked.norm(dim=2, keepdim=True).clamp_min(ROW_NORM_FLOOR)
        stacked = newton_schulz(stacked, options.coefficients, options.dtype)
        stacked = stacked * rectangular_scale(shape[0], shape[1])
        for index, matrix in zip(indices, stacked.unbind(), strict=True):
            directions[index] = matrix
    return directions


class Muon(torch.optim.Optimizer):
    """Muon with decoupled weight decay: p <- p (1 - lr wd) - lr scale(p) NS(g + m b).

    A parameter whose gradient is None is left alone: no update, no decay, no momentum.

    Args:
        params: two-dimensional parameters, or groups of them.

    Raises:
        ValueError: a parameter is not two-dimensional.
    """

    def __init__(
        self, params: Iterable[Tensor], options: MuonOptions, *, lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.options = options
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
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        buffers = [self._buffer(parameter) for parameter in parameters]
        directions = muon_directions(gradients, buffers, group["momentum"], self.options)
        kept = 1.0 - group["lr"] * group["weight_decay"]
        for parameter, direction in zip(parameters, directions, strict=True):
            if self.options.decay == "before":
                parameter.mul_(kept)
            parameter.add_(direction.to(parameter.dtype), alpha=-group["lr"])
            if self.options.decay == "after":
                parameter.mul_(kept)

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer = state["momentum_buffer"]
        assert isinstance(buffer, Tensor)
        return buffer
