"""The graphs that a run compiles: by mode, entry and shape."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_specs import plan_of, small

from loopspec.compiler.graphs import CompiledGraph, compiled_graphs, stops_by_data

LOOPED = {"stage": "trunk", "blocks": "core", "loops": 3}
SETTLING = {"deep": {"trunk": {"extra": {"times": 2, "blocks": [0], "stop_below": 0.1}}}}


def graphs_of(**sections: Any) -> list[tuple[str, str]]:
    return [(graph.mode, graph.entry) for graph in compiled_graphs(plan_of(small(**sections)))]


def test_shapes_are_those_of_a_micro_batch_and_of_the_windows() -> None:
    plan = plan_of(
        small(
            train={"sequence_length": 8, "batch_tokens": 32, "accumulation": 2, "stop": {"steps": 10}},
            evaluate={"stride": 4, "sequence_length": 6, "batch_windows": 5},
        )
    )
    assert compiled_graphs(plan) == (
        CompiledGraph("full", "training", (2, 8)),
        CompiledGraph("full", "logits", (5, 6)),
    )


@pytest.mark.parametrize(
    ("pattern", "activities", "graphs"),
    [
        (["full"], {}, [("full", "training"), ("full", "logits")]),
        (["single"], {}, [("single", "training"), ("full", "logits")]),
        (["two", "full"], {"evaluate": "two"}, [("full", "training"), ("two", "training"), ("two", "logits")]),
        (["full"], {"evaluate": "single"}, [("full", "training"), ("single", "logits")]),
    ],
)
def test_modes_that_training_runs_and_the_one_that_evaluates(
    pattern: list[str], activities: dict[str, str], graphs: list[tuple[str, str]]
) -> None:
    sections = {"modes": {"two": {"trunk": {"loops": 2}}}, "activities": activities, "graph": [LOOPED]}
    found = graphs_of(cadence=[{"pattern": pattern}], **sections)
    assert found == graphs


def test_a_mode_that_stops_by_the_data_is_not_compiled() -> None:
    plan = plan_of(small(graph=[LOOPED], modes=SETTLING, activities={"evaluate": "deep"}))
    assert [mode for mode in plan.modes if stops_by_data(plan, mode)] == ["deep"]
    assert [(graph.mode, graph.entry) for graph in compiled_graphs(plan)] == [("full", "training")]
    always = {"deep": {"trunk": {"extra": {"times": 2, "blocks": [0]}}}}
    assert ("deep", "logits") in graphs_of(graph=[LOOPED], modes=always, activities={"evaluate": "deep"})
