"""Gradients of a shared store told apart by site, and how far the sites agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.emit.interpret import interpret
from ...compiler.plan import Plan
from .batches import Batch
from .records import Agreement

SiteGradients = dict[str, dict[tuple[str, str], Tensor]]
"""By store, then by (site, slot): its gradient there; zeros where none arrives."""


def states_of(plan: Plan, module: nn.Module) -> dict[str, Any]:
    """The module's states by the plan's names, as `interpret` takes them."""
    buffers = dict(module.named_buffers())
    states: dict[str, Any] = {}
    for state in plan.states:
        if not state.name.endswith(".trace.delta"):
            states[state.name] = buffers[state.name]
        elif state.name in buffers:  # a trace, once it has been recorded
            states[state.name] = (buffers[state.name], buffers[f"{state.name.removesuffix('delta')}age"])
    return states


def site_gradients(
    plan: Plan, mode: str, weights: Mapping[str, Tensor], states: Mapping[str, Any], batch: Batch
) -> SiteGradients:
    """Gradients of the loss of a training step in `mode`, site by site; their sums are the module's gradients."""
    leaves: dict[tuple[str, str, str], Tensor] = {}

    def leaf(site: str, slot: str, store: str) -> Tensor:
        leaves[store, site, slot] = weights[store].detach().requires_grad_()  # same values, a gradient of its own
        return leaves[store, site, slot]

    run = interpret(plan, mode, leaf, *batch, training=True, states=states)
    run.loss.backward()  # type: ignore[no-untyped-call]
    found: SiteGradients = {}
    for (store, site, slot), value in leaves.items():
        gradient = torch.zeros_like(value) if value.grad is None else value.grad
        found.setdefault(store, {})[site, slot] = gradient
    return found


def summed_norms(gradients: SiteGradients) -> dict[str, float]:
    """Norm of each store's gradient: that of the sum over its sites."""
    return {
        store: float(torch.linalg.vector_norm(torch.stack([value.float() for value in sites.values()]).sum(0)))
        for store, sites in gradients.items()
    }


def agreements(mode: str, gradients: SiteGradients) -> tuple[Agreement, ...]:
    """One for each store with several sites, in the order in which they are first read."""
    return tuple(_agreement(store, mode, list(sites.values())) for store, sites in gradients.items() if len(sites) > 1)


def _agreement(store: str, mode: str, values: list[Tensor]) -> Agreement:
    rows = torch.stack([value.flatten().float() for value in values])  # (sites, elements)
    norms = torch.linalg.vector_norm(rows, dim=1)
    rows = rows[norms > 0] / norms[norms > 0, None]
    silent = len(values) - len(rows)
    if len(rows) < 2:
        return Agreement(store, mode, len(values), silent, None, None)
    first, second = torch.triu_indices(len(rows), len(rows), offset=1)
    cosines = (rows @ rows.T)[first, second].clamp(-1.0, 1.0)
    return Agreement(store, mode, len(values), silent, float(cosines.mean()), float(cosines.min()))
