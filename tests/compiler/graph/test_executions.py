"""Unrolling: the identity of an execution, and the U-Net pairs."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_specs import group, small, spec_of

from loopspec.compiler.graph.executions import executions, first_uses, mode_loops, skip_key, skip_pairs
from loopspec.compiler.spec.architecture import Architecture


def architecture(*stages: dict[str, Any], modes: dict[str, Any] | None = None) -> Architecture:
    """Stages over two groups, `core` of 5 blocks and `tail` of 2."""
    plain = small(blocks={"core": group(5), "tail": group(2)}, graph=list(stages), modes=modes or {})
    return spec_of(plain).architecture


def pairs_of(positions: int, loops: int, scope: str) -> dict[int, int]:
    skips = {"kind": "unet", "scope": scope}
    built = architecture({"stage": "s", "blocks": "core", "path": {"cycle": positions}, "loops": loops, "skips": skips})
    return skip_pairs(executions(built, {"s": loops}))


@pytest.mark.parametrize(
    ("positions", "loops", "scope", "pairs"),
    [
        (4, 1, "pass", {2: 1, 3: 0}),
        (5, 1, "pass", {2: 1, 3: 0}),  # two push, three pop, the last finds nothing
        (1, 1, "pass", {}),
        (3, 2, "pass", {1: 0, 4: 3}),  # a fresh stack for each loop
        (3, 2, "path", {3: 2, 4: 1, 5: 0}),
        (5, 3, "path", {7: 6, 8: 5, 9: 4, 10: 3, 11: 2, 12: 1, 13: 0}),
        (1, 4, "path", {2: 1, 3: 0}),
    ],
)
def test_unet_pairs(positions: int, loops: int, scope: str, pairs: dict[int, int]) -> None:
    assert pairs_of(positions, loops, scope) == pairs


def test_no_skips_no_pairs() -> None:
    built = architecture({"stage": "s", "blocks": "core"})
    assert skip_pairs(executions(built, {"s": 1})) == {}


@pytest.mark.parametrize(("scope", "keys"), [("pass", [1, 1]), ("path", [3, 4, 5])])
def test_a_skip_weight_belongs_to_the_step_or_to_the_unrolled_place(scope: str, keys: list[int]) -> None:
    first = {"stage": "first", "blocks": "tail", "loops": 2}
    second = {"stage": "s", "blocks": "core", "path": [0, 1, 2], "loops": 2, "skips": {"kind": "unet", "scope": scope}}
    built = architecture(first, second)
    runs = tuple(run for run in executions(built, {"first": 2, "s": 2}) if run.stage.name == "s")
    pairs = skip_pairs(runs)
    assert [skip_key(run) for run in runs if run.index in pairs] == keys


def test_occurrences_count_the_stages_own_runs_of_a_block() -> None:
    built = architecture(
        {"stage": "a", "blocks": "core", "path": [1, 0, 1], "loops": 2},
        {"stage": "b", "blocks": "core", "path": [1]},
    )
    runs = executions(built, {"a": 2, "b": 1})
    assert [run.site_prefix for run in runs] == [
        "a/core.1#0",
        "a/core.0#0",
        "a/core.1#1",
        "a/core.1#2",
        "a/core.0#1",
        "a/core.1#3",
        "b/core.1#0",
    ]
    assert [(run.loop, run.step, run.unrolled, run.index) for run in runs[2:5]] == [
        (0, 2, 2, 2),
        (1, 0, 3, 3),
        (1, 1, 4, 4),
    ]
    assert first_uses(runs) == {("core", 1): 0, ("core", 0): 1}


def test_a_mode_runs_the_first_loops_and_keeps_every_index() -> None:
    built = architecture(
        {"stage": "a", "blocks": "core", "path": [0, 1], "loops": 3},
        {"stage": "b", "blocks": "tail", "loops": 2},
        modes={"two": {"a": {"loops": 2}}},
    )
    loops = mode_loops(built)
    assert loops == {"full": {"a": 3, "b": 2}, "single": {"a": 1, "b": 1}, "two": {"a": 2, "b": 2}}
    full = executions(built, loops["full"])
    by_index = {run.index: run for run in full}
    assert [run.index for run in full] == list(range(10))
    assert [run.index for run in executions(built, loops["single"])] == [0, 1, 6, 7]
    assert [run.index for run in executions(built, loops["two"])] == [0, 1, 2, 3, 6, 7, 8, 9]
    for mode in ("single", "two"):
        assert all(run == by_index[run.index] for run in executions(built, loops[mode]))


def test_there_is_no_mode_single_where_nothing_loops() -> None:
    assert list(mode_loops(architecture({"stage": "s", "blocks": "core"}))) == ["full"]
