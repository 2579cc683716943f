from __future__ import annotations

import numpy as np

from loopspec.runtime.entropy.fit import STEP, fit_matrix, round_exponents


def test_rounding_keeps_what_pays():
    targets = np.array([0.4, -0.4, 3.1, 0.0] * 100)
    assert round_exponents(targets, 5.0) == [0, 0, 3, 0] * 100
    assert round_exponents(targets, 0.001) == []
    assert round_exponents(np.zeros(50), 5.0) == []


def test_exponents_follow_the_scales_of_rows_and_columns():
    generator = np.random.default_rng(0)
    rows, columns = generator.integers(-4, 5, 300), generator.integers(-4, 5, 400)
    values = 3 * generator.standard_normal((300, 400)) * np.exp(STEP * (rows[:, None] + columns))
    fitted = fit_matrix(np.clip(np.rint(values), -127, 127).astype(np.int8))
    assert fitted is not None
    for found, true in ((fitted.placement.rows, rows), (fitted.placement.columns, columns)):
        error = np.array(found) - true
        assert error.std() < 0.6


def test_one_row_has_no_column_exponents():
    fitted = fit_matrix(np.arange(-50, 50, dtype=np.int8)[None])
    assert fitted is not None and len(fitted.placement.columns) == 0 and fitted.histogram.sum() == 100


def test_the_memory_order_of_a_matrix_does_not_matter():
    matrix = np.rint(4 * np.random.default_rng(1).standard_normal((70, 90))).astype(np.int8)
    one, other = fit_matrix(matrix), fit_matrix(np.asfortranarray(matrix))
    assert one is not None and other is not None and one.placement == other.placement
