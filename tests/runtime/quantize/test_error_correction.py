"""A low-rank term beside codes: what it may hold, and that it leaves the least error that its rank can."""

from __future__ import annotations

import numpy as np
import pytest

from loopspec.compiler.spec.quantization import Clip, Scheme
from loopspec.runtime.quantize import StoreStatistics, decode, encode, part_bytes

ROWS, COLS = 24, 40
WEIGHTS = np.random.default_rng(0).standard_normal((ROWS, COLS)).astype(np.float32)
DIAGONAL = np.geomspace(1e-3, 10, COLS).astype(np.float32)
STATISTICS = StoreStatistics(9, 1, np.eye(COLS, dtype=np.float32), np.diag(DIAGONAL), np.ones(ROWS))


def scheme(rank: int) -> Scheme:
    return Scheme("integer", 3, Clip("absmax"), error_rank=rank)


def errors(rank: int, statistics: StoreStatistics | None = None) -> np.ndarray:
    return decode(encode("w", WEIGHTS, scheme(rank), statistics)).astype(np.float64) - WEIGHTS


@pytest.mark.parametrize("rank", [1, 4, 12])
def test_the_error_left_is_that_of_the_truncated_singular_values(rank: int) -> None:
    """Beyond those of its rank, but for its own rounding to int8."""
    sizes = np.linalg.svd(errors(0), compute_uv=False)
    assert np.square(errors(rank)).sum() == pytest.approx(np.square(sizes[rank:]).sum(), rel=0.005)


@pytest.mark.parametrize("rank", [1, 4])
def test_columns_count_as_calibration_says(rank: int) -> None:
    def loss(error: np.ndarray) -> float:
        return float((np.square(error) * DIAGONAL).sum())

    sizes = np.linalg.svd(errors(0) * np.sqrt(DIAGONAL), compute_uv=False)
    assert loss(errors(rank, STATISTICS)) == pytest.approx(np.square(sizes[rank:]).sum(), rel=0.005)
    assert loss(errors(rank, STATISTICS)) < 0.9 * loss(errors(rank))


def test_columns_that_nothing_reaches_do_no_harm() -> None:
    diagonal = DIAGONAL * (np.arange(COLS) % 2)
    statistics = StoreStatistics(9, 1, np.eye(COLS, dtype=np.float32), np.diag(diagonal), np.ones(ROWS))
    found = errors(4, statistics)
    assert np.abs(found).max() < 3 * np.abs(errors(0)).max()
    assert (np.square(found) * diagonal).sum() < (np.square(errors(0)) * diagonal).sum()


def test_parts_are_those_of_the_layout() -> None:
    encoded = encode("w", WEIGHTS, scheme(5))
    assert encoded.storage.error_rank == 5
    assert {part: len(data) for part, data in encoded.parts.items()} == part_bytes((ROWS, COLS), encoded.storage)


def test_weights_on_the_grid_need_no_correction() -> None:
    weights = np.array([[3.0, -1.0, 2.0], [0.0, 3.0, -3.0]], np.float32)
    encoded = encode("w", weights, scheme(2))
    assert np.array_equal(decode(encoded), weights)
    assert not any(encoded.parts["left_steps"][:0]) and not any(encoded.parts["right"])
