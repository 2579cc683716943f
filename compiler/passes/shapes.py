"""Pass `shapes`: the number of features of every site's output, checked against the stores that it binds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..graph.model import Graph, Port
from ..graph.modes import TRAINING
from ..operations import OPERATIONS, SiteContext
from .draft import Draft


def infer_shapes(draft: Draft) -> Draft:
    """Fills `widths`. Raises AssertionError where ports and stores disagree, which is a bug of the compiler."""
    assert draft.graph is not None
    graph = draft.graph
    shapes = {store.name: store.shape for store in graph.stores}
    widths: dict[str, int] = {}
    orders = dict(draft.order) | {mode + TRAINING: sites for mode, sites in draft.variants.items()}
    for mode, order in orders.items():
        for site_id in order:
            ports = graph.inputs(site_id, mode)
            inputs = {target: value_width(port, widths, graph, mode, shapes) for target, port in ports.items()}
            slots = {slot: shapes[name] for slot, name in graph.bindings(site_id, mode).items()}
            site = graph.site(site_id)
            width = OPERATIONS[site.operation].width(SiteContext(dict(site.attributes), inputs, slots))
            assert width > 0, f"{site_id}: widths {inputs} do not fit stores {slots}"
            assert widths.setdefault(site_id, width) == width, f"{site_id} has two widths"
    return replace(draft, widths=widths)


def value_width(
    port: Port, widths: Mapping[str, int], graph: Graph, mode: str, shapes: Mapping[str, tuple[int, ...]]
) -> int:
    """Features of one output; the values that an attention hands on are as wide as its value matrix has rows."""
    if port.name == "values":
        return shapes[graph.bindings(port.site, mode)["value"]][0]
    return widths[port.site]
