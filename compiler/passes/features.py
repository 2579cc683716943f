"""What acts at each position, read off the sites that run there, so that the plan prints what the graph does."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph.model import Graph, Site

_BY_OPERATION = {
    "add_skip": "skip",
    "gated_skip": "gated_skip",
    "residual_mix": "x0_mix",
    "token_gate": "token_gate",
    "bounded_update": "bounded",
}
_BY_ROLE = {
    "value_scale": "value_embedding",
    "value_residual": "value_residual",
    "position_vector": "position_vector",
    "attention_2": "attention_twice",
    "mlp_2": "mlp_twice",
    "attention_lane": "lanes",
}


def position_features(graph: Graph) -> dict[int, tuple[str, ...]]:
    """Features by position number, in the order in which they act."""
    found: dict[int, dict[str, None]] = {}
    roles: dict[int, set[str]] = {}
    for site in graph.nodes(Site):
        if site.position is None:
            continue
        features = found.setdefault(site.position, {})
        roles.setdefault(site.position, set()).add(_role(site))
        features.update(dict.fromkeys(_features(graph, site)))
    for position, here in roles.items():
        missing = [branch for branch in ("attention", "mlp") if branch not in here]
        found[position].update(dict.fromkeys(f"no_{branch}" for branch in missing))
    return {position: tuple(features) for position, features in found.items()}


def _role(site: Site) -> str:
    return site.id.rpartition("/")[2]


def _features(graph: Graph, site: Site) -> Iterator[str]:
    for port in {
        port.site for mode in graph.nx.nodes[site.id]["modes"] for port in graph.inputs(site.id, mode).values()
    }:
        if graph.site(port).operation == "add_vector" and graph.site(port).position is None:
            yield "loop_vector"
        if graph.site(port).operation == "document_mask":
            yield "within_document"
    name = _BY_OPERATION.get(site.operation) or _BY_ROLE.get(_role(site))
    if name is not None:
        yield name
    if site.attribute("exclusive"):
        yield "xsa"
    for slot, store in graph.bindings(site.id).items():
        parts = store.split(".")
        if slot == "mix" and site.operation.startswith("attention"):
            yield "differential"
        if parts[0] == "stages" and parts[2].endswith("_delta"):
            yield f"delta_{slot.partition('_delta_')[0]}"
        elif parts[0] == "stages" and parts[2] in _PRIVATE:
            yield f"own_{parts[2]}"


_PRIVATE = frozenset(
    {"attention", "attention_scale", "gain", "mlp", "mlp_scale", "recurrence_gate", "residual_mix", "token_gate"}
)
