"""Pass `cost`: FLOPs and activation memory by mode.

A multiply-add counts as two FLOPs. Attention is counted at the training sequence's length, causal: a token sees
(T + 1) / 2 keys on average. The backward pass costs twice the forward. Activations are what PyTorch keeps for the
backward pass in float32, by operation; fused kernels keep less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..graph.model import Site
from ..plan import Cost
from .draft import Draft


@dataclass(frozen=True, slots=True)
class SiteContext:
    """What a cost rule may look at: widths of inputs and output, shapes by slot, sequence length in tokens."""

    site: Site
    inputs: Mapping[str, int]
    width: int
    slots: Mapping[str, tuple[int, ...]]
    length: int


def measure_cost(draft: Draft) -> Draft:
    """Fills `costs`."""
    return replace(draft, costs={mode: _mode_cost(draft, mode) for mode in draft.order})


def _mode_cost(draft: Draft, mode: str) -> Cost:
    assert draft.graph is not None
    graph = draft.graph
    shapes = {store.name: store.shape for store in graph.stores}
    flops = kept = 0
    for site_id in draft.order[mode]:
        site = graph.site(site_id)
        inputs = {target: draft.widths[port.site] for target, port in graph.inputs(site_id, mode).items()}
        slots = {slot: shapes[name] for slot, name in graph.bindings(site_id, mode).items()}
        context = SiteContext(site, inputs, draft.widths[site_id], slots, draft.spec.train.sequence_length)
        flops += _FLOPS.get(site.operation, _elementwise)(context)
        kept += _KEPT.get(site.operation, _keeps_nothing)(context)
    return Cost(flops, 2 * flops, 4 * kept)


def _elementwise(context: SiteContext) -> int:
    return 2 * context.width


def _matrices(context: SiteContext) -> int:
    return sum(2 * shape[0] * shape[1] for slot, shape in context.slots.items() if len(shape) == 2 and slot != "table")


def _attention_flops(context: SiteContext) -> int:
    """Four matrices, then scores and weighted sum: 2 * 2 * width FLOPs for each of (T + 1) / 2 keys."""
    return _matrices(context) + 2 * context.width * (context.length + 1)


def _no_flops(context: SiteContext) -> int:
    return 0


_FLOPS: dict[str, Callable[[SiteContext], int]] = {
    "tokens": _no_flops,
    "targets": _no_flops,
    "embedding": _no_flops,
    "rotary_table": _no_flops,
    "ngram_hash": _matrices,
    "value_embedding": _matrices,
    "attention": _attention_flops,
    "mlp": _matrices,
    "head": _matrices,
}


def _keeps_nothing(context: SiteContext) -> int:
    return 0


def _attention_kept(context: SiteContext) -> int:
    """Input; queries and keys before the norm, after the rotation and after the gain; values; the kernel's output."""
    query, key = context.slots["query"][0], context.slots["key"][0]
    norm = int(bool(context.site.attribute("qk_norm")))
    gain = int("gain" in context.slots)
    exclusive = query + key if context.site.attribute("xsa") else 0
    return context.inputs["x"] + query * (norm + 1 + gain) + key * (norm + 1) + key + query + exclusive


def _mlp_kept(context: SiteContext) -> int:
    """Input; the rectified and the squared hidden features, and what the leaky rectifier saw."""
    leaky = context.site.attribute("activation") == "leaky_relu_squared"
    return context.inputs["x"] + (3 if leaky else 2) * context.slots["up"][0]


def _table_kept(context: SiteContext) -> int:
    """Looked-up rows and their projection."""
    return context.slots["table"][1] + (context.width if "projection" in context.slots else 0)


def _head_kept(context: SiteContext) -> int:
    """Input, and the tanh of the softcap."""
    return context.inputs["x"] + (context.width if context.site.attribute("softcap") is not None else 0)


def _input_kept(context: SiteContext) -> int:
    return context.inputs.get("x", context.width)


_KEPT: dict[str, Callable[[SiteContext], int]] = {
    "ngram_hash": _table_kept,
    "value_embedding": lambda context: _table_kept(context) + context.width,  # its output: kept once for all readers
    "smear_gate": lambda context: 2 * context.width,
    "rms_norm": _input_kept,
    "residual_mix": _input_kept,
    "add_skip": _input_kept,
    "residual_add": lambda context: context.width if "scale" in context.slots else 0,
    "attention": _attention_kept,
    "mlp": _mlp_kept,
    "head": _head_kept,
    "cross_entropy": lambda context: context.inputs["logits"],
}
