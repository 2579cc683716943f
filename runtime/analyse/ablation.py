"""What a model gives without one of its features, against what it gives with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...compiler.emit.interpret import Interpretation, interpret
from ...compiler.plan import Plan
from .batches import Batch
from .records import Change
from .removals import Removal, removals


def removals_of(plan: Plan, modes: Sequence[str]) -> tuple[Removal, ...]:
    """Every feature once, in the first of `modes` in which it acts."""
    found: dict[tuple[str, str | None], Removal] = {}
    for mode in modes:
        for removal in removals(plan, mode):
            found.setdefault((removal.feature, removal.stage), removal)
    return tuple(found.values())


class Ablation:
    """Runs modes in evaluation, with and without features, on one batch and the weights of one moment."""

    def __init__(self, plan: Plan, weights: Mapping[str, Tensor], states: Mapping[str, Any], batch: Batch) -> None:
        self._plan, self._states, self._batch = plan, states, batch
        self._weights = {name: value.detach() for name, value in weights.items()}
        self._whole: dict[str, Interpretation] = {}

    def change(self, removal: Removal) -> Change:
        """What the removal changes; exactly 0 where every logit stays as it is."""
        if removal.mode not in self._whole:
            self._whole[removal.mode] = self._run(Removal("", None, removal.mode))
        whole, without = self._whole[removal.mode], self._run(removal)
        size, moved = _rms(whole.logits), _rms(without.logits - whole.logits)
        return Change(moved / size if size else moved, float(without.loss - whole.loss))

    @torch.no_grad()
    def _run(self, removal: Removal) -> Interpretation:
        def store(site: str, slot: str, name: str) -> Tensor:
            value = self._weights[name]
            return torch.zeros_like(value) if (site, slot) in removal.zeroed else value

        return interpret(
            self._plan, removal.mode, store, *self._batch, states=self._states, stand_ins=removal.stand_ins
        )


def _rms(value: Tensor) -> float:
    return float(value.double().square().mean().sqrt())
