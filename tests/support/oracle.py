"""A naive interpreter of the plan's graph: what the emitted module must equal, bit for bit.

It walks the graph in an order of its own, looks up every value by port, and gives each site its own copy of the stores
it binds, so that the gradient of a shared store can be compared with the sum over its sites.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import torch
from torch import Tensor, nn

from loopspec.compiler.graph.model import Graph, Site
from loopspec.compiler.modules import (
    Attention,
    Mlp,
    NgramHash,
    SmearGate,
    TokenEmbedding,
    ValueEmbedding,
    cross_entropy,
    project_logits,
    residual_mix,
    rms_norm,
    rotary_table,
)
from loopspec.compiler.plan import Plan

Values = dict[str, Any]


class Oracle:
    """Interprets one mode; `site_stores[site][slot]` are the copies whose gradients can be summed by store."""

    def __init__(self, plan: Plan, weights: dict[str, Tensor], mode: str) -> None:
        self.plan, self.mode = plan, mode
        self.graph: Graph = plan.graph
        self.site_stores = {
            site: {
                slot: weights[name].clone().requires_grad_() for slot, name in self.graph.bindings(site, mode).items()
            }
            for site in plan.modes[mode].sites
        }

    def run(self, tokens: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and mean loss."""
        values: Values = {}
        sources = {"tokens": tokens, "targets": targets}
        for site_id in self._order():
            site = self.graph.site(site_id)
            inputs = {target: values[port.site] for target, port in self.graph.inputs(site_id, self.mode).items()}
            if site.operation in sources:
                values[site_id] = sources[site.operation]
            else:
                values[site_id] = RULES[site.operation](self, site, inputs, self.site_stores[site_id])
        loss = next(site for site in values if self.graph.site(site).operation == "cross_entropy")
        return values[self.graph.inputs(loss, self.mode)["logits"].site], values[loss]

    def gradients(self) -> dict[str, Tensor]:
        """Gradient of every store that the mode reads: the sum over its sites, in float64."""
        sums: dict[str, Tensor] = {}
        for site, slots in self.site_stores.items():
            for slot, value in slots.items():
                store = self.graph.bindings(site, self.mode)[slot]
                gradient = torch.zeros_like(value) if value.grad is None else value.grad
                sums[store] = sums.get(store, torch.zeros_like(value, dtype=torch.float64)) + gradient.double()
        return sums

    def _order(self) -> list[str]:
        flow = nx.DiGraph()
        flow.add_nodes_from(self.plan.modes[self.mode].sites)
        for source, target, data in self.graph.nx.edges(data=True):
            if data["kind"] == "flow" and self.mode in data["modes"]:
                flow.add_edge(source, target)
        return list(nx.topological_sort(flow))

    def block(self, site: Site) -> Any:
        position = self.plan.positions[site.position]
        group, index = position.block.split(".")
        return self.plan.spec.architecture.blocks[group][int(index)]


def _fill(module: nn.Module, stores: dict[str, Tensor]) -> nn.Module:
    """Puts a site's copies in place of the module's parameters, keeping them in the autograd graph."""
    for slot, value in stores.items():
        del module._parameters[slot]
        setattr(module, slot, value)
    return module


def _embedding(oracle: Oracle, site: Site, inputs: Values, stores: dict[str, Tensor]) -> Tensor:
    return _fill(TokenEmbedding(*stores["weight"].shape), stores)(inputs["tokens"])


def _ngram_hash(oracle: Oracle, site: Site, inputs: Values, stores: dict[str, Tensor]) -> Tensor:
    buckets, width = stores["table"].shape
    module = NgramHash(site.attribute("order"), buckets, width, inputs["x"].size(-1))
    return _fill(module, stores)(inputs["x"], inputs["tokens"])


def _value_embedding(oracle: Oracle, site: Site, inputs: Values, stores: dict[str, Tensor]) -> Tensor:
    rows, width = stores["table"].shape
    dim = stores["projection"].shape[0] if "projection" in stores else width
    return _fill(ValueEmbedding(rows, width, dim), stores)(inputs["tokens"])


def _attention(oracle: Oracle, site: Site, inputs: Values, stores: dict[str, Tensor]) -> Tensor:
    attention = oracle.block(site).attention
    eps = oracle.plan.spec.architecture.model.norm_eps
    dim = stores["query"].shape[0]
    module = Attention(
        dim, attention.heads, attention.kv_heads, qk_norm=attention.qk_norm, gain="gain" in stores, eps=eps
    )
    return _fill(module, stores)(inputs["x"], inputs.get("rotary"), inputs.get("values"), site.attribute("xsa"))


def _mlp(oracle: Oracle, site: Site, inputs: Values, stores: dict[str, Tensor]) -> Tensor:
    mlp = oracle.block(site).mlp
    slope = mlp.negative_slope
    hidden, dim = stores["up"].shape
    return _fill(Mlp(dim, hidden, mlp.activation, negative_slope=slope), stores)(inputs["x"])


def _residual_add(oracle: Oracle, site: Site, inputs: Values, stores: dict[str, Tensor]) -> Tensor:
    return inputs["x"] + (stores["scale"] * inputs["branch"] if stores else inputs["branch"])


Rule = Callable[[Oracle, Site, Values, dict[str, Tensor]], Any]

RULES: dict[str, Rule] = {
    "embedding": _embedding,
    "ngram_hash": _ngram_hash,
    "smear_gate": lambda o, site, x, s: _fill(SmearGate(x["x"].size(-1)), s)(x["x"]),
    "rotary_table": lambda o, site, x, s: rotary_table(
        x["tokens"], site.attribute("dims"), site.attribute("base"), site.attribute("ntk_reference")
    ),
    "value_embedding": _value_embedding,
    "rms_norm": lambda o, site, x, s: rms_norm(x["x"], site.attribute("scale"), site.attribute("eps")),
    "add_vector": lambda o, site, x, s: x["x"] + s["vector"],
    "add_skip": lambda o, site, x, s: x["x"] + s["weight"] * x["skip"],
    "residual_mix": lambda o, site, x, s: residual_mix(x["x"], x["x0"], s["mix"]),
    "scale_values": lambda o, site, x, s: x["values"] * s["scale"],
    "attention": _attention,
    "mlp": _mlp,
    "residual_add": _residual_add,
    "head": lambda o, site, x, s: project_logits(x["x"], s["weight"], site.attribute("softcap")),
    "cross_entropy": lambda o, site, x, s: cross_entropy(x["logits"], x["targets"]),
}
