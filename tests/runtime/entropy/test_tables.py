from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.entropy.table_fit import fit_tables
from loopspec.runtime.entropy.tables import HIGHEST, LARGEST_CODE, NEVER, ODDS, frequencies, table

LEVELS = st.lists(st.one_of(st.integers(-HIGHEST, HIGHEST), st.just(NEVER)), max_size=LARGEST_CODE)


def test_the_constants_are_powers_of_two():
    assert [round(65536 * 2 ** (i / 16)) for i in range(16)] == list(ODDS)


@examples(50)
@given(LEVELS)
def test_any_levels_make_a_table_that_sums_and_lacks_only_what_never_occurs(levels):
    full = table(levels)
    assert full.sum() == 2**14 and np.array_equal(full, full[::-1])
    magnitudes = frequencies(levels)
    assert [count == 0 for count in magnitudes] == [level == NEVER for level in levels] + [False]


@pytest.mark.parametrize("deviation", [0.3, 1.0, 2.4, 9.0])
def test_a_fitted_table_is_close_to_its_counts(deviation):
    """Kullback-Leibler divergence, in bits a code, of counts of a million rounded normal numbers."""
    edges = np.arange(LARGEST_CODE + 2) - 0.5
    masses = np.exp(-0.5 * (np.arange(0, LARGEST_CODE + 1) / deviation) ** 2) * np.where(edges[1:] < 1, 1, 2)
    counts = np.rint(1e6 * masses / masses.sum()).astype(np.int64)
    levels = fit_tables(counts[None])[0]
    chances = counts / counts.sum()
    coded = np.array(frequencies(levels)) * np.where(np.arange(len(levels) + 1), 2, 1) / 2**14
    present = np.flatnonzero(counts)
    assert 0 <= (chances[present] * np.log2(chances[present] / coded[present])).sum() < 0.0015


def test_a_gap_takes_no_slots():
    counts = np.zeros(LARGEST_CODE + 1, np.int64)
    counts[[0, 1, 100]] = 500_000, 400_000, 1
    magnitudes = frequencies(fit_tables(counts[None])[0])
    assert magnitudes[2:100] == 98 * [0] and magnitudes[100] == 1
