from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.fit.axes import Axis
from loopspec.runtime.fit.candidate import Candidate, Fault, loss_proxy
from loopspec.runtime.fit.errors import FitError
from loopspec.runtime.fit.search import find_frontier

TARGET = 1000


def axes(*sizes):
    return [Axis(f"key{number}", tuple(Fraction(value) for value in range(size))) for number, size in enumerate(sizes)]


def candidate(place, needed):
    return Candidate(place, needed, 2 * needed, needed, TARGET, needed, needed, None, 6 * needed)


def frontier(sizes, needed, invalid=frozenset()):
    asked = []

    def measure(place):
        asked.append(place)
        return Fault(place, "LS201", f"no {place}") if place in invalid else candidate(place, needed(place))

    found = find_frontier(axes(*sizes), measure)
    assert len(asked) == len(set(asked)) == len(found.tried) + sum(found.invalid.values())
    return found


def edge_by_hand(sizes, needed, invalid):
    best = {}
    for place in product(*map(range, sizes)):
        if place not in invalid and needed(place) <= TARGET:
            best[place[:-1]] = place
    return set(best.values())


@examples(75)
@given(st.data())
def test_the_edge_is_the_one_that_trying_everything_finds(data):
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    weights = data.draw(st.lists(st.integers(0, 400), min_size=len(sizes), max_size=len(sizes)))
    places = list(product(*map(range, sizes)))
    invalid = frozenset(data.draw(st.lists(st.sampled_from(places), max_size=8)))

    def needed(place):
        return 50 + sum(weight * index * (index + 1) for weight, index in zip(weights, place, strict=True))

    found = frontier(sizes, needed, invalid)
    assert not found.exhaustive
    assert {item.place for item in found.edge} == edge_by_hand(sizes, needed, invalid)


def test_few_are_tried():
    found = frontier((20, 20), lambda place: 60 * (place[0] + 1) + 60 * (place[1] + 1))
    assert len(found.tried) <= 40
    assert len(found.edge) == 15


def test_all_are_tried_where_bytes_do_not_grow():
    found = frontier((4, 4), lambda place: 1200 - 100 * place[1] - place[0])
    assert found.exhaustive and len(found.tried) == 16
    assert {item.place for item in found.edge} == {(row, 3) for row in range(4)}


def test_too_many_to_try_all():
    with pytest.raises(FitError, match=r"bytes do not grow along all of key0, key1, so all 1,600 combinations"):
        frontier((40, 40), lambda place: 1200 - place[1] - place[0])


def test_nothing_fits_or_nothing_is_valid():
    assert frontier((3, 3), lambda place: 2000).edge == ()
    places = frozenset(product(range(3), range(3)))
    found = frontier((3, 3), prod, places)
    assert found.tried == found.edge == () and found.invalid == {"LS201": 9}
    assert found.fault == Fault((0, 0), "LS201", "no (0, 0)")


def test_more_than_can_be_planned_are_refused_before_any_is():
    def never(place):
        raise AssertionError

    with pytest.raises(
        FitError, match=r"--vary over key0, key1, key2: up to 2,020 combinations .* at most 2,000 can be"
    ):
        find_frontier(axes(20, 1, 100), never)
    assert len(frontier((1000, 1000), lambda place: 500).tried) == 1000


def test_the_proxy_prefers_more_capacity_and_more_tokens():
    small, large = candidate((0,), 10**7), candidate((1,), 10**8)
    assert loss_proxy(small, 1e15) < loss_proxy(large, 1e15)
    assert loss_proxy(small, 1e20) > loss_proxy(large, 1e20) > 1.69
    chinchilla = Candidate((0,), 70 * 10**9, 70 * 10**9, 0, 0, 0, 0, None, 6)
    assert loss_proxy(chinchilla, 6 * 1.4e12) == pytest.approx(1.937, abs=0.002)
