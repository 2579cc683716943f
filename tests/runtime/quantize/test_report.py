from __future__ import annotations

import numpy as np
import pytest

from loopspec.compiler.size import gaussian_entropy
from loopspec.compiler.spec.quantization import Clip, Gptq, Scheme
from loopspec.runtime.quantize import StoreStatistics, decode, encode, report_store
from loopspec.runtime.quantize.report import code_entropy


def report(weights, scheme, statistics=None):
    return report_store(weights, encode("w", weights, scheme, statistics), scheme, statistics)


def test_a_gaussian_matrix_has_the_error_of_its_step_and_the_entropy_of_theory():
    weights = np.random.default_rng(0).standard_normal((64, 2048)).astype(np.float32)
    result = report(weights, Scheme("integer", 6, Clip("std", 12.85)))
    assert result.relative_rms == pytest.approx(12.85 / 31 / 12**0.5, rel=0.01)
    assert result.entropy_bits - 16 / 2048 == pytest.approx(gaussian_entropy(6, 12.85), abs=0.01)
    assert result.stored_bits == 8 + 16 / 2048
    assert result.squared_error == pytest.approx(result.relative_rms**2 * float(np.square(weights).sum()), rel=1e-6)
    assert (result.pruned, result.predicted_loss, result.gptq_gain) == (0, None, None)
    counts = result.codes
    assert (result.elements, counts.clamped, counts.zero_units, counts.coarse_steps) == (2**17, 0, 0, 0)


def test_counts_zero_rows_coarse_steps_and_clamped_weights():
    weights = np.array([[0, 0], [1e-6, 1e-6], [1, -1]], np.float32)
    result = report(weights, Scheme("integer", 6, Clip("absmax")))
    assert (result.codes.zero_units, result.codes.coarse_steps, result.codes.clamped) == (1, 1, 2)
    assert result.zero_weights == 2


def test_a_store_of_zeros_has_no_error():
    assert report(np.zeros(4), Scheme("float16")).relative_rms == 0
    assert report(np.zeros(4), Scheme("float16")).zero_weights == 4


def test_float32_is_exact_and_float16_is_not():
    weights = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    assert report(weights, Scheme("float32")).relative_rms == 0
    assert 1e-5 < report(weights, Scheme("float16")).relative_rms < 1e-3


def test_what_calibration_tells():
    """The loss that the errors cost, and what GPTQ gained on its own objective, by their definitions."""
    generator = np.random.default_rng(2)
    weights = generator.standard_normal((24, 16)).astype(np.float32)
    inputs = generator.standard_normal((50, 16)) @ generator.standard_normal((16, 16))
    hessian = (inputs.T @ inputs / 50).astype(np.float32)
    statistics = StoreStatistics(50, 1, hessian, np.float32(0.01) * hessian, np.ones(24))
    scheme = Scheme("integer", 4, Clip("absmax"))
    by_gptq = Scheme("integer", 4, Clip("absmax"), gptq=Gptq())

    def objective(encoded):
        error = decode(encoded).astype(np.float64) - weights
        return float(np.trace(error @ hessian @ error.T))

    nearest, ours = encode("w", weights, scheme), encode("w", weights, by_gptq, statistics)
    result = report_store(weights, ours, by_gptq, statistics)
    assert result.gptq_gain == pytest.approx(1 - objective(ours) / objective(nearest), rel=1e-4)
    assert result.gptq_gain > 0.1
    assert result.predicted_loss == pytest.approx(0.005 * objective(ours), rel=1e-4)
    assert report(weights, scheme, statistics).gptq_gain is None
    without = StoreStatistics(50, 1, hessian, np.zeros((0, 0), np.float32), np.zeros(0))
    assert report_store(weights, ours, by_gptq, without).predicted_loss is None


def test_gptq_that_loses_to_rounding_has_a_negative_gain():
    """The inverse in place of its factor, with less damping than it needs."""
    generator = np.random.default_rng(1)
    inputs = generator.standard_normal((400, 12)) @ generator.standard_normal((12, 12))
    hessian = (inputs.T @ inputs / 400).astype(np.float32)
    weights = generator.standard_normal((30, 12)).astype(np.float32)
    statistics = StoreStatistics(400, 1, hessian, hessian, np.ones(30))
    scheme = Scheme("integer", 3, Clip("absmax"), gptq=Gptq(0.002, "rising", "inverse"))
    assert report(weights, scheme, statistics).gptq_gain < 0


def test_entropy_of_codes():
    assert code_entropy(np.array([[1, -1, 0, 0]], np.int8)) == 1.5
    assert code_entropy(np.zeros((3, 3), np.int8)) == 0
    ternary = report(np.array([[1.0, -1, 0.1, 0]], np.float32), Scheme("ternary"))
    assert ternary.entropy_bits == 1.5 + 16 / 4 and ternary.codes.clamped == 0
