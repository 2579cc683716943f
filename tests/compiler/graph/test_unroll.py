"""Sites of a mode: the same in every mode, with skips, scales and placed features that never rebind."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.random_specs import specs
from support.small_specs import draft_of, group, small, spec_of

from loopspec.compiler.graph.builder import GraphBuilder
from loopspec.compiler.graph.declare import declare_stores
from loopspec.compiler.graph.executions import Table
from loopspec.compiler.graph.model import Graph, Port, Site
from loopspec.compiler.graph.modes import Mode, resolve_modes
from loopspec.compiler.graph.unroll import ModeUnroller
from loopspec.compiler.spec.architecture import Architecture


def graph_of_one_mode(architecture: Architecture, mode: str) -> Graph:
    """The graph with the flow of that mode alone."""
    table, builder = Table(architecture, resolve_modes(architecture)), GraphBuilder()
    declare_stores(builder, architecture, table)
    ModeUnroller(builder, architecture, table).unroll(mode)
    nx.freeze(builder.graph.nx)  # or every question reads all its edges
    return builder.graph


def skip_sources(graph: Graph, mode: str) -> dict[str, Port]:
    return {
        site: graph.inputs(site, mode)["skip"]
        for site in graph.mode_sites(mode)
        if graph.site(site).operation == "add_skip"
    }


def check_modes_agree(architecture: Architecture) -> None:
    """A site that two modes have is one site, on the same stores; what it reads may be another execution's output."""
    modes = resolve_modes(architecture)
    graphs = {mode: graph_of_one_mode(architecture, mode) for mode in modes}
    full = graphs["full"]
    sources, runs = skip_sources(full, "full"), len(Table(architecture, modes).runs("full"))
    for mode, graph in graphs.items():
        assert graph.stores == full.stores and graph.states == full.states
        for site in graph.nodes(Site):
            if site.id in full.nx:
                assert site == full.site(site.id)
                assert_bindings_agree(graph.bindings(site.id), full.bindings(site.id), modes[mode], site.id)
            else:
                assert of_this_mode_alone(site, mode, runs), site.id
        for site_id, source in skip_sources(graph, mode).items():
            assert source == sources[site_id] if site_id in sources else site_id not in full.nx


def assert_bindings_agree(here: Mapping[str, str], full: Mapping[str, str], mode: Mode, site: str) -> None:
    """The stores are the same, but for the deltas of a stage that the mode leaves without them."""
    path = mode.get(site.partition("/")[0])
    off = path is not None and "delta" in path.without
    assert here == {slot: store for slot, store in full.items() if not (off and "_delta_" in slot)}


def of_this_mode_alone(site: Site, mode: str, runs: int) -> bool:
    """Whether mode full may lack the site: further runs, loops and cycles, other rules for fewer firings, traces."""
    if site.position is not None:
        return site.position >= runs
    owner, _, role = site.id.partition("/")
    if owner == "output":
        return role.startswith(f"{mode}/")
    return owner != "input" and role.startswith(("loop.", "extra.", "combine/", "trace/"))


@given(specs())
@examples(15, derandomize=True)
def test_sites_of_single_are_sites_of_full(plain: dict[str, Any]) -> None:
    check_modes_agree(spec_of(plain).architecture)


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=5),
    st.integers(2, 5),
    st.sampled_from(["pass", "path"]),
    st.sampled_from(["site", "first_use", "block"]),
)
@examples(15, derandomize=True)
def test_modes_of_many_loops_keep_what_they_share(path: list[int], loops: int, scope: str, index: str) -> None:
    plain = small(
        blocks={"core": group(3, residual={"norm_scale": {"index": index}})},
        graph=[
            {
                "stage": "trunk",
                "blocks": "core",
                "path": path,
                "loops": loops,
                "loop_vector": {},
                "skips": {"kind": "unet", "scope": scope},
            },
            {"stage": "tail", "blocks": "core", "loops": 2},
        ],
        modes={f"mode_{less}": {"trunk": {"loops": less}} for less in range(1, loops)},
    )
    check_modes_agree(spec_of(plain).architecture)


def test_fewer_firings_of_which_the_last_counts_are_sites_of_their_own() -> None:
    """Two firings run the second alone, one firing the first: other sites, with skips of their own."""
    firing = {"kind": "parallel", "combine": {"kind": "last"}}
    skips = {"kind": "unet", "scope": "pass"}
    plain = small(graph=[{"stage": "trunk", "blocks": "core", "loops": 2, "firing": firing, "skips": skips}])
    check_modes_agree(spec_of(plain).architecture)
    graph = draft_of(plain, "bind").graph
    assert graph is not None
    found = [list(skip_sources(graph, mode)) for mode in ("full", "single")]
    assert found == [["trunk/core.1#0/skip"], ["trunk/core.1#1/skip"]]


def test_a_skip_that_loses_an_end_is_left_out() -> None:
    skips = {"kind": "unet", "scope": "path"}
    plain = small(
        graph=[{"stage": "trunk", "blocks": "core", "loops": 3, "skips": skips}],
        modes={"two": {"trunk": {"loops": 2}}},
    )
    graph = draft_of(plain, "bind").graph
    assert graph is not None
    at = {mode: {graph.site(site).position for site in skip_sources(graph, mode)} for mode in ("full", "two", "single")}
    assert at == {"full": {3, 4, 5}, "two": {3}, "single": set()}


@pytest.mark.parametrize(
    ("rule", "indices"),
    [
        ({"index": "block"}, [1, 0, 1, 1, 0, 1]),
        ({"index": "stored"}, [4, 3, 4, 4, 3, 4]),
        ({"index": "first_use"}, [0, 1, 0, 0, 1, 0]),
        ({"index": "site"}, [0, 1, 2, 3, 4, 5]),
        ({"index": "explicit", "indices": [7, 3]}, [3, 7, 3, 3, 7, 3]),
        (None, [0] * 6),
    ],
)
def test_norm_scale_is_one_over_the_root_of_the_index_that_counts(rule: Any, indices: list[int]) -> None:
    plain = small(
        blocks={"earlier": group(3), "core": group(2, residual={"norm_scale": rule})},
        graph=[{"stage": "trunk", "blocks": "core", "path": [1, 0, 1], "loops": 2}],
    )
    graph = draft_of(plain, "bind").graph
    assert graph is not None
    for role in ("attention_norm", "mlp_norm"):
        norms = [site for site in graph.nodes(Site) if site.id.endswith(f"/{role}")]
        assert [site.attribute("scale") for site in norms] == [1 / sqrt(index + 1) for index in indices]


def _positions_with_xsa(plain: dict[str, Any]) -> list[int]:
    graph = draft_of(plain, "bind").graph
    assert graph is not None
    return [site.position for site in graph.nodes(Site) if site.attribute("exclusive")]


def test_xsa_by_block_is_wherever_the_block_runs_and_by_position_is_there_alone() -> None:
    path = [0, 1, 1, 0]
    overrides = [{"blocks": [1], "attention": {"xsa": True}}]
    by_block = small(
        blocks={"core": group(2, overrides=overrides)},
        graph=[{"stage": "trunk", "blocks": "core", "path": path, "loops": 2}],
    )
    assert _positions_with_xsa(by_block) == [1, 2, 5, 6]
    placed = {"stage": "trunk", "blocks": "core", "path": path, "loops": 2, "place": {"xsa": [2]}}
    assert _positions_with_xsa(small(graph=[placed])) == [2, 6]  # of the path, so in each loop


def _value_scales(plain: dict[str, Any]) -> dict[int, str]:
    """Position -> store that scales the value embedding there."""
    graph = draft_of(plain, "bind").graph
    assert graph is not None
    scales = (site for site in graph.nodes(Site) if site.operation == "scale_values")
    return {site.position: graph.bindings(site.id)["scale"] for site in scales}


def test_value_embedding_by_block_shares_a_scale_and_by_position_has_one_each() -> None:
    model = {"vocab_size": 11, "dim": 16, "value_embedding": {"dim": 4}}
    by_block = small(
        model=model,
        blocks={"core": group(2, overrides=[{"blocks": [1], "value_embedding": True}])},
        graph=[{"stage": "trunk", "blocks": "core", "path": [0, 1, 1]}],
    )
    assert _value_scales(by_block) == dict.fromkeys((1, 2), "blocks.core.1.value_scale")
    placed = small(
        model=model,
        graph=[{"stage": "trunk", "blocks": "core", "path": [0, 1, 1], "loops": 2, "place": {"value_embedding": [2]}}],
    )
    assert _value_scales(placed) == dict.fromkeys((2, 5), "stages.trunk.value_scale.2")


def test_equal_rotary_tables_are_computed_once_and_different_ones_keep_their_names() -> None:
    plain = small(
        blocks={
            "core": group(2, overrides=[{"blocks": [1], "attention": {"rope": {"base": 500}}}]),
            "bare": group(1, attention={"heads": 2, "kv_heads": 1, "rope": None}),
        },
        graph=[
            {"stage": "bare", "blocks": "bare"},
            {"stage": "late", "blocks": "core", "path": [1]},
            {"stage": "trunk", "blocks": "core", "path": [0, 1, 0]},
        ],
    )
    graph = draft_of(plain, "bind").graph
    assert graph is not None
    sources = {
        site.position: graph.inputs(site.id, "full").get("rotary")
        for site in graph.nodes(Site)
        if site.operation == "attention"
    }
    first, second = Port("input/rotary.0"), Port("input/rotary.1")
    assert sources == {0: None, 1: second, 2: first, 3: second, 4: first}
    assert graph.site("input/rotary.1").attribute("base") == 500.0
