from __future__ import annotations

import numpy as np
import pytest

from loopspec.compiler.size import gaussian_entropy
from loopspec.compiler.spec.quantization import Clip, Scheme
from loopspec.runtime.quantize import encode, report_store


def report(weights, scheme):
    return report_store(weights, encode("w", weights, scheme))


def test_a_gaussian_matrix_has_the_error_of_its_step_and_the_entropy_of_theory():
    weights = np.random.default_rng(0).standard_normal((64, 2048)).astype(np.float32)
    result = report(weights, Scheme("integer", 6, Clip("std", 12.85)))
    assert result.relative_rms == pytest.approx(12.85 / 31 / 12**0.5, rel=0.01)
    assert result.entropy_bits - 16 / 2048 == pytest.approx(gaussian_entropy(6, 12.85), abs=0.01)
    assert result.stored_bits == 8 + 16 / 2048
    assert (result.elements, result.clamped, result.zero_rows, result.coarse_steps) == (2**17, 0, 0, 0)


def test_counts_zero_rows_coarse_steps_and_clamped_weights():
    weights = np.array([[0, 0], [1e-6, 1e-6], [1, -1]], np.float32)
    result = report(weights, Scheme("integer", 6, Clip("absmax")))
    assert (result.zero_rows, result.coarse_steps, result.clamped) == (1, 1, 2)


def test_a_store_of_zeros_has_no_error():
    assert report(np.zeros(4), Scheme("float16")).relative_rms == 0
    assert report(np.zeros(4), Scheme("float16")).zero_rows == 1


def test_float32_is_exact_and_float16_is_not():
    weights = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    assert report(weights, Scheme("float32")).relative_rms == 0
    assert 1e-5 < report(weights, Scheme("float16")).relative_rms < 1e-3
