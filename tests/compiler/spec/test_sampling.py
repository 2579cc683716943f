"""Sampled loops: the published numbers of the algorithm, its distributions, and the modes that it makes."""

from __future__ import annotations

from collections import Counter
from math import exp, factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.compiler.spec.cadence import Phase, Sample, sampled_modes
from loopspec.compiler.spec.sampling import draw_loops, mode_at

UNIFORM = Sample("core", (1, 4), "uniform", None, 4)
POISSON = Sample("core", (1, 6), "poisson", 2.5, 8)
UNIFORM_DRAWS = [4, 4, 3, 3, 3, 4, 1, 3, 3, 3, 2, 2, 4, 4, 2, 2]
POISSON_DRAWS = [5, 5, 3, 3, 3, 5, 1, 3, 3, 3, 1, 2, 4, 5, 2, 2]


def test_draws_are_the_same_everywhere_and_for_ever() -> None:
    """Worked out apart from the code, with sha256sum and 80 digits; a run must never draw others."""
    assert [draw_loops(UNIFORM, 1337, step) for step in range(16)] == UNIFORM_DRAWS
    assert [draw_loops(POISSON, 1337, step) for step in range(16)] == POISSON_DRAWS


def test_uniform_draws_every_number_alike() -> None:
    counts = Counter(draw_loops(UNIFORM, 1, step) for step in range(8000))
    assert sorted(counts) == [1, 2, 3, 4]
    assert all(count == pytest.approx(2000, abs=200) for count in counts.values())


def test_poisson_draws_have_its_probabilities_with_the_ends_collected() -> None:
    counts = Counter(draw_loops(POISSON, 1, step) for step in range(20_000))
    chances = {n: exp(-2.5) * 2.5**n / factorial(n) for n in range(7)}
    expected = {n: chances[n] for n in range(2, 6)}
    expected[1] = chances[0] + chances[1]
    expected[6] = 1 - sum(chances[n] for n in range(6))
    assert {n: count / 20_000 for n, count in counts.items()} == pytest.approx(expected, abs=0.01)


@given(
    least=st.integers(1, 256),
    span=st.integers(0, 255),
    mean=st.none() | st.floats(0.001, 256),
    seed=st.integers(0, 2**31 - 1),
    step=st.integers(0, 10**8),
)
def test_draws_stay_in_range(least: int, span: int, mean: float | None, seed: int, step: int) -> None:
    most = min(least + span, 256)
    sample = Sample("core", (least, most), "uniform" if mean is None else "poisson", mean, 256)
    assert least <= draw_loops(sample, seed, step) <= most
    assert draw_loops(sample, seed, step) == draw_loops(sample, seed, step)


def test_far_means_always_give_an_end() -> None:
    high, low = Sample("core", (1, 2), "poisson", 200.0, 2), Sample("core", (3, 5), "poisson", 1e-9, 5)
    assert {draw_loops(high, 1, step) for step in range(200)} == {2}
    assert {draw_loops(low, 1, step) for step in range(200)} == {3}


def test_modes_are_named_by_stage_and_count_and_the_graphs_own_is_full() -> None:
    assert UNIFORM.modes == {"core_1": 1, "core_2": 2, "core_3": 3, "full": 4}
    phase = Phase(sample=UNIFORM)
    assert {mode_at(phase, 5, step) for step in range(100)} == set(UNIFORM.modes)
    tail = Phase(sample=Sample("tail", (2, 2), "uniform", None, 3))
    assert sampled_modes([phase, Phase(("full",)), tail]) == {
        "core_1": {"core": 1},
        "core_2": {"core": 2},
        "core_3": {"core": 3},
        "tail_2": {"tail": 2},
    }


def test_the_pattern_of_a_phase_goes_by_the_absolute_step() -> None:
    assert [mode_at(Phase(("a", "b", "c")), 1, step) for step in (0, 4, 8, 9)] == ["a", "b", "c", "a"]
