"""The list of passes: its order, and that each pass is a pure function of the draft."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any

import pytest
from support.small_specs import draft_of, group, plan_of, small, spec_of

from loopspec.compiler.passes import PASSES, run_passes
from loopspec.compiler.passes.draft import Draft

FILLS = {
    "paths": {"modes", "table"},
    "bind": {"graph"},
    "modes": {"order", "variants"},
    "shapes": {"widths"},
    "uses": {"uses"},
    "optimizer": {"groups"},
    "quantization": {"schemes"},
    "cost": {"costs", "depths"},
    "size": {"size"},
}


def rich() -> dict[str, Any]:
    return small(
        model={
            "vocab_size": 11,
            "dim": 16,
            "input": [{"kind": "ngram_hash", "order": 2, "buckets": 7, "dim": 3}],
            "value_embedding": {"dim": 4},
            "multi_token": {"heads": 1},
        },
        blocks={"core": group(2, value_embedding=True), "tail": group(1)},
        graph=[
            {"stage": "trunk", "blocks": "core", "loops": 3, "loop_vector": {}, "skips": {"kind": "unet"}},
            {"stage": "tail", "blocks": "tail"},
        ],
        modes={"two": {"trunk": {"loops": 2}}},
    )


def values(draft: Draft) -> dict[str, Any]:
    """Field values, the graph as its nodes, edges and sublayers."""
    found = {field.name: getattr(draft, field.name) for field in fields(draft) if field.name != "graph"}
    graph = draft.graph
    parts = None
    if graph is not None:
        parts = (dict(graph.nx.nodes(data=True)), list(graph.nx.edges(keys=True, data=True)), graph.sublayers)
    return copy.deepcopy({**found, "graph": parts})


def test_the_passes_run_in_the_documented_order() -> None:
    assert [step.name for step in PASSES] == list(FILLS)


def test_a_pass_fills_its_fields_and_leaves_the_old_draft_as_it_was() -> None:
    draft = Draft(spec_of(rich()))
    for step in PASSES:
        before = values(draft)
        after = step.run(draft)
        assert values(draft) == before, step.name
        now = values(after)
        assert {name for name in now if now[name] != before[name]} == FILLS[step.name]
        draft = after


def test_tables_are_equal_where_their_programs_are() -> None:
    table = draft_of(rich(), "paths").table
    assert table == draft_of(rich(), "paths").table
    assert table != draft_of({**rich(), "modes": {"two": {"trunk": {"loops": 1}}}}, "paths").table
    assert table != draft_of(small(), "paths").table and table != table.programs  # type: ignore[union-attr]


def test_a_pass_gives_equal_drafts_for_equal_input() -> None:
    draft = Draft(spec_of(rich()))
    for step in PASSES:
        first, second = step.run(draft), step.run(draft)
        assert values(first) == values(second), step.name
        draft = first


@pytest.mark.parametrize("name", list(FILLS))
def test_until_stops_after_the_named_pass(name: str) -> None:
    names = list(FILLS)
    ran = set().union(*(FILLS[each] for each in names[: names.index(name) + 1]))
    empty, found = values(Draft(spec_of(rich()))), values(run_passes(spec_of(rich()), until=name))
    assert {field for field in found if found[field] != empty[field]} == ran


def test_the_plan_says_where_features_land() -> None:
    plan = plan_of(rich())
    assert [position.features for position in plan.positions] == [
        ("loop_vector", "x0_mix", "value_embedding"),
        ("skip", "x0_mix", "value_embedding"),
    ] * 3 + [("x0_mix",)]
    assert [position.loop for position in plan.positions] == [0, 0, 1, 1, 2, 2, 0]
    assert plan.modes["two"].positions == (0, 1, 2, 3, 6)
    assert plan.modes["single"].positions == (0, 1, 6)


def test_uses_count_sites_of_full_and_list_the_modes_that_read() -> None:
    uses = draft_of(rich(), "uses").uses
    every = ("full", "single", "two")
    assert (uses["blocks.core.0.attention.query"].sites, uses["blocks.core.0.attention.query"].modes) == (3, every)
    assert (uses["blocks.tail.0.mlp.up"].sites, uses["blocks.tail.0.mlp.up"].modes) == (1, every)
    assert (uses["token_embedding.weight"].sites, uses["token_embedding.weight"].modes) == (2, every)  # and the head
    assert uses["stages.trunk.loop_vector.0"].modes == every
    assert uses["stages.trunk.loop_vector.1"].modes == ("full", "two")
    assert uses["stages.trunk.loop_vector.2"].modes == ("full",)
    assert uses["stages.trunk.skip_weight.1"].sites == 3


def test_a_block_that_never_runs_is_used_nowhere() -> None:
    uses = draft_of(small(graph=[{"stage": "trunk", "blocks": "core", "path": [0]}]), "uses").uses
    assert (uses["blocks.core.1.mlp.up"].modes, uses["blocks.core.1.mlp.up"].sites) == ((), 0)
