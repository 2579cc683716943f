"""Pass `shapes`: the number of features of every site's output, checked against the stores that it binds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ..graph.model import Graph, Site
from .draft import Draft

Widths = dict[str, int]  # by input port
Shapes = Mapping[str, tuple[int, ...]]  # by slot


def infer_shapes(draft: Draft) -> Draft:
    """Fills `widths`. Raises AssertionError where ports and stores disagree, which is a bug of the compiler."""
    assert draft.graph is not None
    graph = draft.graph
    shapes = {store.name: store.shape for store in graph.stores}
    widths: dict[str, int] = {}
    for mode, order in draft.order.items():
        for site_id in order:
            inputs = {target: widths[port.site] for target, port in graph.inputs(site_id, mode).items()}
            slots = {slot: shapes[name] for slot, name in graph.bindings(site_id, mode).items()}
            width = _width(graph, graph.site(site_id), inputs, slots)
            assert widths.setdefault(site_id, width) == width, f"{site_id} has two widths"
    return replace(draft, widths=widths)


def _width(graph: Graph, site: Site, inputs: Widths, slots: Shapes) -> int:
    rule = _RULES.get(site.operation, _same_as_x)
    width = rule(site, inputs, slots)
    assert width > 0, f"{site.id}: widths {inputs} do not fit stores {dict(slots)}"
    return width


def _same_as_x(site: Site, inputs: Widths, slots: Shapes) -> int:
    """Elementwise on the stream: every vector has the stream's width."""
    fits = all(shape[-1] == inputs["x"] for shape in slots.values() if shape)
    others = all(width == inputs["x"] for port, width in inputs.items() if port in ("x0", "skip", "branch"))
    return inputs["x"] if fits and others else 0


def _table(site: Site, inputs: Widths, slots: Shapes) -> int:
    width = slots["table"][1]
    if "projection" in slots:
        return slots["projection"][0] if slots["projection"][1] == width else 0
    return width


def _ngram(site: Site, inputs: Widths, slots: Shapes) -> int:
    return inputs["x"] if _table(site, inputs, slots) == inputs["x"] else 0


def _attention(site: Site, inputs: Widths, slots: Shapes) -> int:
    fits = slots["query"][1] == slots["key"][1] == slots["value"][1] == slots["output"][1] == inputs["x"]
    return slots["output"][0] if fits and inputs.get("values", slots["value"][0]) == slots["value"][0] else 0


def _mlp(site: Site, inputs: Widths, slots: Shapes) -> int:
    return slots["down"][0] if slots["up"][1] == inputs["x"] and slots["down"][1] == slots["up"][0] else 0


def _head(site: Site, inputs: Widths, slots: Shapes) -> int:
    return slots["weight"][0] if slots["weight"][1] == inputs["x"] else 0


_RULES: dict[str, Callable[[Site, Widths, Shapes], int]] = {
    "tokens": lambda site, inputs, slots: 1,
    "targets": lambda site, inputs, slots: 1,
    "embedding": lambda site, inputs, slots: slots["weight"][1],
    "ngram_hash": _ngram,
    "value_embedding": _table,
    "rotary_table": lambda site, inputs, slots: int(site.attribute("dims")),
    "scale_values": lambda site, inputs, slots: inputs["values"],
    "attention": _attention,
    "mlp": _mlp,
    "head": _head,
    "cross_entropy": lambda site, inputs, slots: 1,
}
