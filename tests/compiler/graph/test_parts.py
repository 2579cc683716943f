"""Parts of blocks: shared, or an execution's own."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_specs import draft_of, group, small

from loopspec.compiler.graph.executions import Table
from loopspec.compiler.graph.model import Graph
from loopspec.compiler.graph.parts import PARTS, is_private, part_path, unused_parts
from loopspec.compiler.operations import FIRING_RULES

SCALE = "attention_scale"


def table_of(*stages: dict[str, Any], modes: dict[str, Any] | None = None) -> Table:
    table = draft_of(small(graph=list(stages), modes=modes or {}), "paths").table
    assert table is not None
    return table


def stage(name: str = "trunk", **changes: Any) -> dict[str, Any]:
    return {"stage": name, "blocks": "core", **changes}


def graph_of(*stages: dict[str, Any], **sections: Any) -> Graph:
    graph = draft_of(small(graph=list(stages), **sections), "bind").graph
    assert graph is not None
    return graph


def test_a_private_part_is_the_stages_by_its_unrolled_place() -> None:
    table = table_of(stage(loops=2, private={SCALE: {"positions": [1], "loops": [1]}}))
    assert [is_private(run, SCALE) for run in table.executions] == [False, False, False, True]
    assert [part_path(run, SCALE) for run in table.executions] == [
        *("blocks.core.0.attention_scale", "blocks.core.1.attention_scale", "blocks.core.0.attention_scale"),
        "stages.trunk.attention_scale.3",
    ]
    assert part_path(table.executions[3], "gain") == "blocks.core.1.attention.gain"


def test_runs_beyond_mode_full_have_the_shared_parts() -> None:
    modes = {"more": {"trunk": {"extra": {"times": 1, "blocks": [0]}}}}
    table = table_of(stage(private={SCALE: {"positions": [0]}}), modes=modes)
    last = table.runs("more")[-1]
    assert last.number is None and not is_private(last, SCALE)
    assert part_path(last, SCALE) == "blocks.core.0.attention_scale"


@pytest.mark.parametrize(
    ("private", "unused"),
    [
        ({SCALE: "all"}, {"blocks.core.0.attention_scale", "blocks.core.1.attention_scale"}),
        ({SCALE: [0]}, {"blocks.core.0.attention_scale"}),
        ({SCALE: {"positions": [0], "loops": [0]}}, set()),
        ({SCALE: {"at": [0], "keep_shared": True}}, set()),
        ({"attention": [1]}, {"blocks.core.1.attention", "blocks.core.1.attention.gain"}),
        ({"gain": [1]}, {"blocks.core.1.attention.gain"}),
    ],
)
def test_a_part_that_every_run_replaces_is_not_stored(private: dict[str, Any], unused: set[str]) -> None:
    trunk = stage(loops=2, private=private)
    assert unused_parts(table_of(trunk)) == unused
    stored = {store.name for store in graph_of(trunk).stores}
    for path in unused:
        assert not [name for name in stored if name == path or name.startswith(f"{path}.")]


def test_another_stage_or_mode_that_reads_the_shared_part_keeps_it() -> None:
    private = {SCALE: "all"}
    first = {"blocks.core.0.attention_scale", "blocks.core.1.attention_scale"}
    assert unused_parts(table_of(stage(private=private))) == first
    assert unused_parts(table_of(stage(private=private), stage("other", path=[0]))) == first - {
        "blocks.core.0.attention_scale"
    }
    modes = {"more": {"trunk": {"extra": {"times": 1, "blocks": [1]}}}}
    assert unused_parts(table_of(stage(private=private), modes=modes)) == first - {"blocks.core.1.attention_scale"}


def test_every_execution_binds_the_store_that_its_path_names() -> None:
    trunk = stage(path=[0, 1, 0], loops=2, private={"mlp": [2], SCALE: {"positions": [0], "loops": [1]}})
    graph = graph_of(trunk)
    table = table_of(trunk)
    for run in table.executions:
        assert graph.bindings(f"{run.site_prefix}/mlp")["up"] == f"{part_path(run, 'mlp')}.up"
        assert graph.bindings(f"{run.site_prefix}/attention_add") == {"scale": part_path(run, SCALE)}
    assert graph.readers("stages.trunk.mlp.5.up") == ("trunk/core.0#3/mlp",)


def test_every_part_has_a_path_that_some_block_stores() -> None:
    plain = small(
        model={"vocab_size": 11, "dim": 16, "value_embedding": {"dim": 4}},
        blocks={
            "core": group(1, value_embedding=True, residual={"token_gate": True}),
            "bare": group(1, residual={"arrangement": {"kind": "bounded"}, "x0_mix": False, "branch_scale": False}),
        },
        graph=[stage(), {"stage": "bare", "blocks": "bare"}],
    )
    graph = draft_of(plain, "bind").graph
    assert graph is not None
    stored = {store.name for store in graph.stores}
    for path in PARTS.values():
        assert any(name.startswith((f"blocks.core.0.{path}", f"blocks.bare.0.{path}")) for name in stored), path
    assert len(set(PARTS.values())) == len(PARTS) and not set(PARTS) & set(FIRING_RULES)
