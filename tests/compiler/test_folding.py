"""Folded names stand for exactly the names that went in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loopspec.compiler.folding import Folded, fold, ranges


def test_names_that_differ_in_one_index_and_nothing_else():
    named = [("a.0.x", 1), ("a.0.y", 1), ("a.1.x", 1), ("a.1.y", 2), ("table", 1), ("a.3.x", 1)]
    assert fold(named) == [
        Folded("a.0..1,3.x", 3, 1),
        Folded("a.0.y", 1, 1),
        Folded("a.1.y", 1, 2),
        Folded("table", 1, 1),
    ]


def test_only_the_first_index_folds():
    assert [row.name for row in fold([("a.0.b.0", 1), ("a.1.b.0", 1), ("a.0.b.1", 1)])] == ["a.0..1.b.0", "a.0.b.1"]


@given(st.sets(st.integers(0, 60), min_size=1))
def test_ranges_lose_nothing(indices):
    parts = [part.split("..") for part in ranges(list(indices)).split(",")]
    assert [number for part in parts for number in range(int(part[0]), int(part[-1]) + 1)] == sorted(indices)
