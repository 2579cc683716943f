"""Unrolling: the identity of an execution, and the U-Net pairs."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_specs import group, small, spec_of

from loopspec.compiler.graph.executions import Execution, Table, first_uses, skip_key, skip_pairs
from loopspec.compiler.graph.modes import resolve_modes
from loopspec.compiler.spec.architecture import Architecture


def architecture(*stages: dict[str, Any], modes: dict[str, Any] | None = None) -> Architecture:
    """Stages over two groups, `core` of 5 blocks and `tail` of 2."""
    plain = small(blocks={"core": group(5), "tail": group(2)}, graph=list(stages), modes=modes or {})
    return spec_of(plain).architecture


def table_of(architecture: Architecture) -> Table:
    return Table(architecture, resolve_modes(architecture))


def runs_of(architecture: Architecture, mode: str = "full") -> tuple[Execution, ...]:
    return table_of(architecture).runs(mode)


def pairs_of(positions: int, loops: int, scope: str) -> dict[int, int]:
    skips = {"kind": "unet", "scope": scope}
    built = architecture({"stage": "s", "blocks": "core", "path": {"cycle": positions}, "loops": loops, "skips": skips})
    return skip_pairs(runs_of(built))


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
    assert skip_pairs(runs_of(built)) == {}


@pytest.mark.parametrize(("scope", "keys"), [("pass", [1, 1]), ("path", [3, 4, 5])])
def test_a_skip_weight_belongs_to_the_step_or_to_the_unrolled_place(scope: str, keys: list[int]) -> None:
    first = {"stage": "first", "blocks": "tail", "loops": 2}
    second = {"stage": "s", "blocks": "core", "path": [0, 1, 2], "loops": 2, "skips": {"kind": "unet", "scope": scope}}
    built = architecture(first, second)
    runs = tuple(run for run in runs_of(built) if run.stage.name == "s")
    pairs = skip_pairs(runs)
    assert [skip_key(run) for run in runs if run.index in pairs] == keys


def test_occurrences_count_the_stages_own_runs_of_a_block() -> None:
    built = architecture(
        {"stage": "a", "blocks": "core", "path": [1, 0, 1], "loops": 2},
        {"stage": "b", "blocks": "core", "path": [1]},
    )
    runs = runs_of(built)
    assert [run.site_prefix for run in runs] == [
        "a/core.1#0",
        "a/core.0#0",
        "a/core.1#1",
        "a/core.1#2",
        "a/core.0#1",
        "a/core.1#3",
        "b/core.1#0",
    ]
    assert [(run.loop, run.step, run.number, run.index) for run in runs[2:5]] == [
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
    table = table_of(built)
    assert list(table.programs) == ["full", "single", "two"]
    assert [run.index for run in table.runs("full")] == list(range(10))
    assert [run.index for run in table.runs("single")] == [0, 1, 6, 7]
    assert [run.index for run in table.runs("two")] == [0, 1, 2, 3, 6, 7, 8, 9]
    assert table.executions == table.runs("full")


def test_there_is_no_mode_single_where_nothing_loops() -> None:
    assert list(resolve_modes(architecture({"stage": "s", "blocks": "core"}))) == ["full"]


def test_an_inner_stage_runs_between_the_halves_in_every_loop_of_the_outer_one() -> None:
    outer = {"stage": "outer", "blocks": "core", "path": [0, 1, 2], "loops": 2, "skips": {"kind": "unet"}}
    inner = {"stage": "inner", "blocks": "tail", "path": [1], "loops": 2, "inside": "outer"}
    table = table_of(architecture(outer, inner))
    assert [run.site_prefix for run in table.runs("full")] == [
        "outer/core.0#0",
        *("inner/tail.1#0", "inner/tail.1#1"),
        "outer/core.1#0",
        "outer/core.2#0",
        "outer/core.0#1",
        *("inner/tail.1#2", "inner/tail.1#3"),
        "outer/core.1#1",
        "outer/core.2#1",
    ]
    inside = [run for run in table.runs("full") if run.stage.name == "inner"]
    assert [(run.entry, run.loop, run.number) for run in inside] == [(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 3)]
    assert [run.index for run in table.runs("single")] == [0, 1, 3, 4]


def test_a_path_of_a_mode_keeps_the_identity_of_the_same_run_and_numbers_others_after_full() -> None:
    stage = {"stage": "s", "blocks": "core", "path": [0, 1, 0, 2]}
    table = table_of(architecture(stage, modes={"other": {"s": {"path": [2, 0, 0, 0, 3]}}}))
    assert [run.index for run in table.runs("other")] == [3, 0, 2, 4, 5]
    assert [run.step for run in table.runs("other")] == [3, 0, 2, None, None]
    assert [run.occurrence for run in table.runs("other")] == [0, 0, 1, 2, 0]


def test_extra_cycles_repeat_positions_as_they_are_or_blocks_with_shared_parts() -> None:
    stage = {"stage": "s", "blocks": "core", "path": [0, 1, 2]}
    modes = {
        "again": {"s": {"extra": {"times": 2, "positions": ["1..2"]}}},
        "shared": {"s": {"extra": {"times": 1, "blocks": [1]}}},
    }
    table = table_of(architecture(stage, modes=modes))
    again, shared = table.runs("again")[3:], table.runs("shared")[3:]
    assert [(run.block, run.step, run.number, run.anchor) for run in again] == [(1, 1, 1, 1), (2, 2, 2, 2)] * 2
    assert [run.index for run in again] == [3, 4, 5, 6]
    assert [(run.block, run.step, run.number, run.index) for run in shared] == [(1, None, None, 7)]


def test_of_parallel_firings_that_only_end_in_the_last_only_the_last_is_run() -> None:
    firing = {"kind": "parallel", "combine": {"kind": "last"}}
    table = table_of(architecture({"stage": "s", "blocks": "tail", "loops": 3, "firing": firing}))
    assert [(run.loop, run.number) for run in table.runs("full")] == [(2, 4), (2, 5)]
    assert [(run.loop, run.index) for run in table.runs("single")] == [(0, 2), (0, 3)]


def test_a_unet_over_the_whole_path_is_one_for_each_entry_of_an_inner_stage() -> None:
    skips = {"kind": "unet", "scope": "path"}
    outer = {"stage": "outer", "blocks": "core", "path": [0, 1], "loops": 2, "skips": {"kind": "unet"}}
    inner = {"stage": "inner", "blocks": "tail", "path": [0, 1], "skips": skips, "inside": "outer"}
    runs = tuple(run for run in runs_of(architecture(outer, inner)) if run.stage.name == "inner")
    assert [run.index for run in runs] == [1, 2, 5, 6]
    assert skip_pairs(runs) == {2: 1, 6: 5}
    assert [skip_key(run) for run in runs if run.index in (2, 6)] == [1, 3]


def test_extra_positions_repeat_the_entry_that_they_follow() -> None:
    outer = {"stage": "outer", "blocks": "core", "path": [0, 1], "loops": 2, "skips": {"kind": "unet", "scope": "pass"}}
    inner = {"stage": "inner", "blocks": "tail", "inside": "outer", "loops": 2, "private": {"mlp": "all"}}
    again = {"inner": {"extra": {"positions": [1], "times": 1}}}
    built = architecture(outer, inner, modes={"again": again, "more": {"outer": {"loops": 3}, **again}})
    for mode, numbers in (("again", [3, 7]), ("more", [3, 7, None])):
        runs = [run for run in runs_of(built, mode) if run.stage.name == "inner"]
        assert [run.number for run in runs[4::5]] == numbers
        assert [run.entry for run in runs[4::5]] == list(range(len(numbers)))


def test_skips_of_a_pass_hold_in_loops_that_only_another_mode_runs() -> None:
    stage = {"stage": "s", "blocks": "tail", "skips": {"kind": "unet"}, "loops": 2}
    table = table_of(architecture(stage, modes={"more": {"s": {"loops": 3}}}))
    pairs = skip_pairs(table.executions)
    assert pairs == {1: 0, 3: 2, 5: 4}
    assert [skip_key(run) for run in table.runs("more") if run.index in pairs] == [1, 1, 1]
    firing = {"kind": "parallel", "combine": {"kind": "last"}}
    last = table_of(architecture({**stage, "firing": firing}))
    assert [run.index for run in last.runs("single")] == [2, 3]  # another loop than mode full runs
    assert skip_pairs(last.executions) == {1: 0, 3: 2}
