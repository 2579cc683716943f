"""How the firings of a stage become one stream: the sites that each rule builds, with one firing and with several."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_specs import draft_of, group, small

from loopspec.compiler.graph.model import Graph, Port
from loopspec.compiler.operations import FIRING_RULES
from loopspec.compiler.spec.stage import Combine

LOOPS = {kind: rule.exactly or 3 for kind, rule in FIRING_RULES.items()}


def graph_of(kind: str, **combine: Any) -> Graph:
    firing = {"kind": "parallel", "combine": {"kind": kind, **combine}}
    stage = {"stage": "trunk", "blocks": "core", "loops": LOOPS[kind], "firing": firing}
    graph = draft_of(small(blocks={"core": group(1)}, graph=[stage]), "bind").graph
    assert graph is not None
    return graph


def combining(graph: Graph, mode: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Operation and inputs of every combining site of a mode, firings by their loop."""
    sites = [site for site in graph.mode_sites(mode) if "/combine/" in site]
    found = {}
    for site in sites:
        inputs = {port: _short(source) for port, source in graph.inputs(site, mode).items()}
        found[site.removeprefix("trunk/combine/")] = (graph.site(site).operation, inputs)
    return found


def _short(port: Port) -> str:
    return port.site.removeprefix("trunk/").removesuffix("/mlp_add")


def end(graph: Graph, mode: str) -> str:
    return _short(graph.inputs("output/norm", mode)["x"])


def test_the_mean_is_of_all_firings_and_of_one_the_firing() -> None:
    graph = graph_of("mean")
    firings = {"input0": "core.0#0", "input1": "core.0#1", "input2": "core.0#2"}
    assert combining(graph, "full") == {"mean": ("mean_of", firings)}
    assert combining(graph, "single") == {} and end(graph, "single") == "core.0#0"
    assert end(graph, "full") == "combine/mean"


def test_of_the_last_there_is_no_combining_and_no_earlier_firing() -> None:
    graph = graph_of("last")
    assert combining(graph, "full") == combining(graph, "single") == {}
    ends = {mode: graph.site(f"trunk/{end(graph, mode)}/mlp_add").position for mode in ("full", "single")}
    assert ends == {"full": 0, "single": 1}


@pytest.mark.parametrize("kind", ["self_gate", "ema_gate", "reference_gate"])
def test_two_firings_are_blended_and_the_last_moves_toward_the_blend(kind: str) -> None:
    graph = graph_of(kind)
    found = combining(graph, "full")
    assert found["blend"] == ("gated_blend", {"a": "core.0#0", "b": "core.0#1"})
    last = "combine/blend_reference" if kind == "reference_gate" else "combine/blend"
    assert found["toward"] == ("blend_toward", {"x": "core.0#1", "target": last})
    assert end(graph, "full") == "combine/toward"
    assert graph.bindings("trunk/combine/blend") == {"gate": "stages.trunk.gate"}
    assert graph.bindings("trunk/combine/toward") == {"scale": "stages.trunk.gate_scale"}


def test_one_firing_passes_a_self_gate_as_it_is() -> None:
    graph = graph_of("self_gate")
    assert combining(graph, "single") == {} and end(graph, "single") == "core.0#0"
    assert set(combining(graph, "full")) == {"blend", "toward"}


def test_one_firing_is_gated_against_the_running_average() -> None:
    graph = graph_of("ema_gate", decay=0.9)
    assert combining(graph, "single") == {
        "blend_average": ("gated_blend_average", {"a": "core.0#0"}),
        "toward": ("blend_toward", {"x": "core.0#0", "target": "combine/blend_average"}),
    }
    assert graph.touched("trunk/combine/blend_average", "single") == {"average": "stages.trunk.average"}
    assert graph.touched("trunk/combine/blend_average", "full") == {}
    update = graph.site("trunk/combine/average")
    assert (update.operation, update.attribute("decay")) == ("update_average", 0.9)
    assert combining(graph, "full")["average"] == ("update_average", {"k": "combine/blend"})
    assert graph.touched(update.id, "full") == {"average": "stages.trunk.average"}
    nodes = graph.nx
    assert nodes.has_edge("stages.trunk.average", update.id) and nodes.has_edge(update.id, "stages.trunk.average")


def test_the_average_may_be_updated_in_evaluation() -> None:
    graph = graph_of("ema_gate", update_in_evaluation=True)
    assert graph.site("trunk/combine/average").operation == "update_average_always"


def test_a_reference_gates_the_blend_or_the_one_firing() -> None:
    graph = graph_of("reference_gate")
    assert combining(graph, "full")["blend_reference"] == ("gated_blend_reference", {"a": "combine/blend"})
    assert combining(graph, "single")["blend_reference"] == ("gated_blend_reference", {"a": "core.0#0"})
    bound = {"gate": "stages.trunk.gate", "reference": "stages.trunk.reference"}
    assert graph.bindings("trunk/combine/blend_reference", "single") == bound
    assert not graph.states


@pytest.mark.parametrize("kind", list(FIRING_RULES))
def test_a_rule_stores_what_some_mode_reads_and_nothing_else(kind: str) -> None:
    graph = graph_of(kind)
    declared = FIRING_RULES[kind].own(Combine(kind), 16, LOOPS[kind])
    own = {store.name: store.shape for store in graph.stores if store.name.startswith("stages.trunk.")}
    assert own == {f"stages.trunk.{item.name}": item.shape for item in declared if not item.state}
    assert all(graph.readers(store) for store in own)
    assert [state.name for state in graph.states] == [f"stages.trunk.{item.name}" for item in declared if item.state]


@pytest.mark.parametrize(
    ("kind", "stores"),
    [
        ("last", {}),
        ("mean", {}),
        ("self_gate", {"gate": (16, 32), "gate_scale": ()}),
        ("ema_gate", {"gate": (16, 32), "gate_scale": (), "average": (16,)}),
        ("reference_gate", {"gate": (16, 32), "gate_scale": (), "reference": (16,)}),
    ],
)
def test_published_rules_have_the_published_stores(kind: str, stores: dict[str, tuple[int, ...]]) -> None:
    assert {item.name: item.shape for item in FIRING_RULES[kind].own(Combine(kind), 16, 2)} == stores


def test_firings_of_a_stage_that_is_entered_again_are_combined_there() -> None:
    firing = {"kind": "parallel", "combine": {"kind": "self_gate"}}
    graph = draft_of(
        small(
            graph=[
                {"stage": "outer", "blocks": "core", "loops": 2},
                {"stage": "inner", "blocks": "core", "path": [0], "inside": "outer", "loops": 2, "firing": firing},
            ]
        ),
        "bind",
    ).graph
    assert graph is not None
    inputs = [
        {port: source.site for port, source in graph.inputs(f"{prefix}/combine/blend", "full").items()}
        for prefix in ("inner", "inner.1")
    ]
    assert inputs == [
        {"a": "inner/core.0#0/mlp_add", "b": "inner/core.0#1/mlp_add"},
        {"a": "inner/core.0#2/mlp_add", "b": "inner/core.0#3/mlp_add"},
    ]
    assert graph.readers("stages.inner.gate") == ("inner/combine/blend", "inner.1/combine/blend")
