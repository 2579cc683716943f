"""The plan's graph, interpreted: what the emitted module must equal, bit for bit.

Each site gets its own copy of the stores that it binds, so that the gradient of a shared store can be compared with the
sum over its sites.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from loopspec.compiler.emit.interpret import Interpretation, interpret
from loopspec.compiler.plan import Plan


class Oracle:
    """Interprets modes one after the other; states go on from one to the next."""

    def __init__(self, plan: Plan, weights: dict[str, Tensor]) -> None:
        self.plan, self.weights = plan, weights
        self.states: dict[str, Any] = {}
        self.copies: dict[tuple[str, str], tuple[str, Tensor]] = {}

    def run(self, mode: str, tokens: Tensor, targets: Tensor, *, training: bool = False) -> Interpretation:
        """One forward pass of a mode, with fresh copies of the stores."""
        self.copies = {}
        run = interpret(self.plan, mode, self._copy, tokens, targets, training=training, states=self.states)
        self.states = run.states
        return run

    def _copy(self, site: str, slot: str, store: str) -> Tensor:
        copy = self.weights[store].clone().requires_grad_()
        self.copies[site, slot] = (store, copy)
        return copy

    def gradients(self) -> dict[str, Tensor]:
        """Gradient of every store that the last pass read and that got one: the sum over its sites, in float64."""
        sums: dict[str, Tensor] = {}
        for store, value in self.copies.values():
            if value.grad is not None:
                sums[store] = sums.get(store, torch.zeros_like(value, dtype=torch.float64)) + value.grad.double()
        return sums

    def gradient_scales(self) -> dict[str, float]:
        """By store the sum of the norms of its sites' gradients: where they cancel, rounding stays as large."""
        scales: dict[str, float] = {}
        for store, value in self.copies.values():
            if value.grad is not None:
                scales[store] = scales.get(store, 0.0) + value.grad.double().norm().item()
        return scales
