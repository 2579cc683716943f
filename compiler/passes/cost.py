"""Pass `cost`: FLOPs, activation memory and effective depth by mode.

A multiply-add counts as two FLOPs. Attention is counted at the training sequence's length, causal: a token sees
(T + 1) / 2 keys on average. The backward pass costs twice the forward. Activations are what PyTorch keeps for the
backward pass in float32, by operation; fused kernels keep less. Of a block execution with checkpointed activations the
inputs are kept, and the backward pass costs its forward once more; while that runs, its activations are there besides.
Losses that only training has count in the backward pass, with their forward. Depth is the longest chain of block
executions: parallel firings do not add to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..graph.model import Graph
from ..graph.modes import TRAINING
from ..graph.regions import regions
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
    length = draft.spec.train.sequence_length
    forward, backward = _mode_flops(draft, graph, mode, length)
    forward_longer, backward_longer = _mode_flops(draft, graph, mode, length + 1)
    return Cost(
        forward,
        backward,
        4 * kept_features(draft, mode),
        length,
        forward_longer - forward,
        backward_longer - backward,
    )


def _mode_flops(draft: Draft, graph: Graph, mode: str, length: int) -> tuple[int, int]:
    """FLOPs forward and backward, a token, in sequences of `length`; linear in it."""
    variant, sites = _trained(draft, mode)
    forward = _flops(draft, graph, mode, draft.order[mode], length)
    trained = forward if variant == mode else _flops(draft, graph, variant, sites, length)
    recomputed = sum(trained[site] for site in _checkpointed_sites(draft, graph, sites))
    run = sum(forward.values())
    return run, 3 * sum(trained.values()) - run + recomputed


def _trained(draft: Draft, mode: str) -> tuple[str, tuple[str, ...]]:
    """The variant of a mode that training runs, and its sites."""
    return (mode + TRAINING, draft.variants[mode]) if mode in draft.variants else (mode, draft.order[mode])


def _checkpointed_sites(draft: Draft, graph: Graph, sites: Sequence[str]) -> tuple[str, ...]:
    positions = {run.index for run in draft.executions if run.stage.checkpoint_activations}
    return tuple(site for site in sites if graph.site(site).position in positions)


def _flops(draft: Draft, graph: Graph, mode: str, sites: Sequence[str], length: int) -> dict[str, int]:
    """FLOPs forward by site, a token."""
    shapes = {store.name: store.shape for store in graph.stores}
    return {
        site: OPERATIONS[graph.site(site).operation].flops(_context(draft, graph, mode, site, shapes, length))
        for site in sites
    }


def kept_features(draft: Draft, mode: str, without: str | None = None) -> int:
    """Features kept for the backward pass of a mode, a token; `without`: as if that stage were not checkpointed."""
    assert draft.graph is not None
    graph = draft.graph
    variant, sites = _trained(draft, mode)
    shapes = {store.name: store.shape for store in graph.stores}
    again = {run.index for run in draft.executions if run.stage.checkpoint_activations and run.stage.name != without}
    inside = regions(graph, variant, sites, frozenset(again))
    kept = 0
    for site_id in sites:
        if graph.site(site_id).position not in inside:
            context = _context(draft, graph, variant, site_id, shapes, draft.spec.train.sequence_length)
            kept += OPERATIONS[graph.site(site_id).operation].kept(context)
    entering = {port for region in inside.values() for port in region.inputs}
    free = {port for port in entering if graph.site(port.site).operation in COUNTED_ELSEWHERE}
    return kept + sum(value_width(port, draft.widths, graph, variant, shapes) for port in entering - free)


COUNTED_ELSEWHERE = frozenset({"document_mask", "rotary_table", "value_embedding"})
"""Operations of which one output serves all positions: counted where it is computed, or the same for all sequences."""


def _context(
    draft: Draft, graph: Graph, mode: str, site_id: str, shapes: Mapping[str, tuple[int, ...]], length: int
) -> SiteContext:
    ports = graph.inputs(site_id, mode)
    inputs = {target: value_width(port, draft.widths, graph, mode, shapes) for target, port in ports.items()}
    slots = {slot: shapes[name] for slot, name in graph.bindings(site_id, mode).items()}
    constants = dict(graph.site(site_id).attributes)
    return SiteContext(constants, inputs, slots, draft.widths[site_id], length)


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
