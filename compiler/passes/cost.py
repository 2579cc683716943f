"""Pass `cost`: FLOPs, activation memory and effective depth by mode.

A multiply-add counts as two FLOPs. Attention is counted at the training sequence's length, causal: a token sees
(T + 1) / 2 keys on average. The backward pass costs twice the forward. Activations are what PyTorch keeps for the
backward pass in float32, by operation; fused kernels keep less. Losses that only training has count in the backward
pass, with their forward. Depth is the longest chain of block executions: parallel firings do not add to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..graph.model import Graph
from ..graph.modes import TRAINING
from ..operations import OPERATIONS, SiteContext
from ..plan import Cost
from .draft import Draft
from .shapes import value_width


def measure_cost(draft: Draft) -> Draft:
    """Fills `costs` and `depths`."""
    assert draft.graph is not None
    graph = draft.graph
    costs = {mode: _mode_cost(draft, graph, mode) for mode in draft.order}
    depths = {mode: _depth(graph, mode, sites) for mode, sites in draft.order.items()}
    return replace(draft, costs=costs, depths=depths)


def _mode_cost(draft: Draft, graph: Graph, mode: str) -> Cost:
    forward, kept = _sum(draft, graph, mode, draft.order[mode])
    trained = forward
    if mode in draft.variants:
        trained, kept = _sum(draft, graph, mode + TRAINING, draft.variants[mode])
    return Cost(forward, 3 * trained - forward, 4 * kept)


def _sum(draft: Draft, graph: Graph, mode: str, sites: Sequence[str]) -> tuple[int, int]:
    """FLOPs forward and features kept for backward, a token."""
    shapes = {store.name: store.shape for store in graph.stores}
    flops = kept = 0
    for site_id in sites:
        site = graph.site(site_id)
        context = _context(draft, graph, mode, site_id, shapes)
        operation = OPERATIONS[site.operation]
        flops += operation.flops(context)
        kept += operation.kept(context)
    return flops, kept


def _context(draft: Draft, graph: Graph, mode: str, site_id: str, shapes: Mapping[str, tuple[int, ...]]) -> SiteContext:
    ports = graph.inputs(site_id, mode)
    inputs = {target: value_width(port, draft.widths, graph, mode, shapes) for target, port in ports.items()}
    slots = {slot: shapes[name] for slot, name in graph.bindings(site_id, mode).items()}
    constants = dict(graph.site(site_id).attributes)
    return SiteContext(constants, inputs, slots, draft.widths[site_id], draft.spec.train.sequence_length)


def _depth(graph: Graph, mode: str, sites: Sequence[str]) -> int:
    depth: dict[str, int] = {}
    for site_id in sites:
        here = graph.site(site_id).position
        reached = [0]
        for port in graph.inputs(site_id, mode).values():
            enters = here is not None and graph.site(port.site).position != here
            reached.append(depth[port.site] + int(enters))
        depth[site_id] = max(reached)
    return max(depth.values(), default=0)
