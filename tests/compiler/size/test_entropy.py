from __future__ import annotations

from math import log2

import numpy as np
import pytest

from loopspec.compiler.size import gaussian_entropy, row_maximum
from loopspec.compiler.size.entropy import least_error_k, percentile_k, squared_error


@pytest.mark.parametrize(
    ("bits", "k", "entropy"), [(6, 12.85, 3.328), (6, 11.5, 3.486), (5, 12.85, 2.313), (8, 20, 4.715), (7, 15, 4.121)]
)
def test_the_published_values(bits, k, entropy):
    assert gaussian_entropy(bits, k) == pytest.approx(entropy, abs=5e-4)


@pytest.mark.parametrize(("bits", "k"), [(2, 0.7), (3, 2.0), (6, 12.85), (6, 3.27), (8, 40.0), (8, 500.0)])
def test_a_sample_quantized_to_the_grid_has_this_entropy(bits, k):
    levels = 2 ** (bits - 1) - 1
    codes = np.rint(np.random.default_rng(0).standard_normal(1_000_000) * levels / k).clip(-levels, levels)
    shares = np.unique(codes, return_counts=True)[1] / codes.size
    assert gaussian_entropy(bits, k) == pytest.approx(-(shares * np.log2(shares)).sum(), abs=3e-3)


def test_fine_grids_approach_the_differential_entropy():
    assert gaussian_entropy(8, 10.0) == pytest.approx(2.047 + log2(127 / 10), abs=1e-3)


@pytest.mark.parametrize(("samples", "published"), [(256, 3.00), (640, 3.27), (2560, 3.64)])
def test_row_maximum(samples, published):
    assert row_maximum(samples) == pytest.approx(published, abs=5e-3)
    draws = np.abs(np.random.default_rng(0).standard_normal((1000, samples))).max(axis=1)
    assert row_maximum(samples) == pytest.approx(np.median(draws), abs=0.04)


@pytest.mark.parametrize(("bits", "k", "pruned"), [(6, 12.85, 0.5), (4, 3.0, 0.2), (8, 4.0, 0.9), (6, 26.0, 0.1)])
def test_a_pruned_sample_has_this_entropy(bits, k, pruned):
    levels = 2 ** (bits - 1) - 1
    values = np.random.default_rng(0).standard_normal(1_000_000)
    values[np.abs(values) < np.quantile(np.abs(values), pruned)] = 0
    codes = np.rint(values * levels / k).clip(-levels, levels)
    shares = np.unique(codes, return_counts=True)[1] / codes.size
    assert gaussian_entropy(bits, k, pruned) == pytest.approx(-(shares * np.log2(shares)).sum(), abs=3e-3)


@pytest.mark.parametrize(("bits", "k"), [(3, 2.0), (4, 2.5), (6, 3.3), (8, 4.0)])
def test_the_squared_error_of_a_sample(bits, k):
    levels = 2 ** (bits - 1) - 1
    values = np.random.default_rng(0).standard_normal(1_000_000)
    rounded = np.rint(values * levels / k).clip(-levels, levels) * k / levels
    assert squared_error(bits, k) == pytest.approx(float(np.square(values - rounded).mean()), rel=0.03)


def test_a_percentile_search_clips_low_bits_harder():
    candidates = [percentile_k(share, 640) for share in (0.99, 0.999, 0.9999, 1.0)]
    assert candidates == sorted(candidates) and candidates[-1] == row_maximum(640)
    assert least_error_k(3, candidates) < least_error_k(8, candidates)
    assert percentile_k(1 - 2**-53, 640) == percentile_k(1, 640)
    assert percentile_k(0.6827, 10_000) == pytest.approx(1.0, abs=1e-3)
