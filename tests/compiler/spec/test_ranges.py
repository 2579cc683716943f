"""Path sugar: every form, every error, and the numbering of tied blocks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.compiler.spec.ranges import MAX_POSITIONS, PathError, expand_numbers, expand_path


@pytest.mark.parametrize(
    ("path", "count", "expanded"),
    [
        (None, 3, (0, 1, 2)),
        ([2, 0, 1], 3, (2, 0, 1)),
        (["0..2"], 3, (0, 1, 2)),
        (["3..3"], 4, (3,)),
        (["9 x 5"], 10, (9,) * 5),
        (["9x5"], 10, (9,) * 5),
        (["1..2 x 2"], 3, (1, 2, 1, 2)),
        ([0, "1..2", "3 x 2", 4], 5, (0, 1, 2, 3, 3, 4)),
        ({"cycle": 7}, 3, (0, 1, 2, 0, 1, 2, 0)),
        ({"sequence": 6}, 3, (0, 0, 1, 1, 2, 2)),
        ({"repeat": 3}, 2, (0, 0, 0, 1, 1, 1)),
        ({"repeat": [1, 3, 2]}, 3, (0, 1, 1, 1, 2, 2)),
        ({"ties": {"positions": 6, "groups": [[1, 3], ["4..5"]]}}, 4, (0, 1, 2, 1, 3, 3)),
        ({"ties": {"positions": 3, "groups": [[2, 0]]}}, 2, (0, 1, 0)),
    ],
)
def test_a_path_becomes_a_list(path: Any, count: int, expanded: tuple[int, ...]) -> None:
    assert expand_path(path, count) == expanded


def test_numbers_and_ranges_mix_in_their_order() -> None:
    assert expand_numbers([4, "0..2", "7 .. 8"]) == (4, 0, 1, 2, 7, 8)


@pytest.mark.parametrize(
    ("path", "count", "where", "message"),
    [
        ([0, "4..2"], 5, (1,), "range 4..2 runs backwards"),
        ([0, "1 x 0"], 2, (1,), "'1 x 0' repeats 0 times"),
        ([f"0 x {MAX_POSITIONS}", 0], 1, (1,), f"more than {MAX_POSITIONS} positions"),
        ({"sequence": 5}, 2, ("sequence",), "5 is not a multiple of the group's 2 blocks"),
        ({"repeat": [1, 2]}, 3, ("repeat",), "2 numbers for the group's 3 blocks"),
        ({"repeat": 3000}, 2, ("repeat",), "6000 positions"),
        (
            {"ties": {"positions": 3, "groups": [[0, 1], [2, 3]]}},
            2,
            ("ties", "groups", 1),
            "position 3 is out of range",
        ),
        ({"ties": {"positions": 4, "groups": [[0, 1], [1, 2]]}}, 2, ("ties", "groups", 1), "position 1 is tied twice"),
        ({"ties": {"positions": 4, "groups": [[0, 1]]}}, 4, ("ties",), "need 3 blocks; the group has 4"),
    ],
)
def test_a_wrong_path_says_where(path: Any, count: int, where: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(PathError, match=message.replace("(", r"\(")) as caught:
        expand_path(path, count)
    assert caught.value.where == where


def test_a_backward_range_of_numbers_says_which_item() -> None:
    with pytest.raises(PathError, match=r"range 3\.\.1 runs backwards") as caught:
        expand_numbers([0, 1, "3..1"])
    assert caught.value.where == (2,)


def test_the_most_positions_are_allowed() -> None:
    assert len(expand_path([f"0 x {MAX_POSITIONS}"], 1)) == MAX_POSITIONS


@st.composite
def tied_groups(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    positions = draw(st.integers(1, 12))
    shuffled = draw(st.permutations(range(positions)))
    cuts = sorted(draw(st.lists(st.integers(0, positions), max_size=4)))
    groups = [shuffled[first:last] for first, last in pairwise(cuts)]
    return positions, [group for group in groups if group]


@given(tied_groups())
def test_tied_positions_share_a_block_and_blocks_are_numbered_by_first_use(case: tuple[int, list[list[int]]]) -> None:
    positions, groups = case
    count = positions - sum(len(group) - 1 for group in groups)
    path = expand_path({"ties": {"positions": positions, "groups": groups}}, count)
    assert list(dict.fromkeys(path)) == list(range(count))
    together = {frozenset(group) for group in groups} | {
        frozenset({position}) for position in range(positions) if not any(position in group for group in groups)
    }
    runs: dict[int, set[int]] = {}
    for position, block in enumerate(path):
        runs.setdefault(block, set()).add(position)
    assert {frozenset(positions) for positions in runs.values()} == together
