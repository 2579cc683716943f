"""Newton-Schulz against the published outputs, and its float32 forms against float64."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loopspec.runtime.optim.newton_schulz import NORM_EPS, QUINTIC, newton_schulz

# Bit-equal where the vectors were made; other processors sum in another order, and five steps amplify that.
BFLOAT16_ROUNDING = 4e-2

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "muon.npz")


def reference(matrix: torch.Tensor, steps: int) -> torch.Tensor:
    """The textbook iteration in float64."""
    a, b, c = QUINTIC
    x = matrix.double()
    x = x.T if x.size(0) > x.size(1) else x
    x = x / (x.norm() + NORM_EPS)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.size(0) > matrix.size(1) else x


@pytest.mark.parametrize("index", range(3))
def test_bfloat16_matches_the_published_runs(index: int) -> None:
    gradient = torch.from_numpy(GOLDEN[f"ns.G{index}"])
    expected = torch.from_numpy(GOLDEN[f"ns.out{index}_bf16_5steps"])
    got = newton_schulz(gradient.unsqueeze(0), 5, torch.bfloat16)[0].float()
    torch.testing.assert_close(got, expected, atol=BFLOAT16_ROUNDING, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 12),
    cols=st.integers(1, 40),
    rank=st.integers(1, 12),
    steps=st.integers(0, 8),
    exponent=st.integers(-6, 4),
    seed=st.integers(0, 99),
)
def test_float32_forms_match_float64(rows: int, cols: int, rank: int, steps: int, exponent: int, seed: int) -> None:
    """Square, wide (Gram form) and tall shapes, any scale, and gradients of low rank."""
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(3, rows, rank, generator=generator)
    matrices = left @ torch.randn(3, rank, cols, generator=generator) * 10.0**exponent
    got = newton_schulz(matrices, steps, torch.float32)
    expected = torch.stack([reference(matrix, steps) for matrix in matrices])
    torch.testing.assert_close(got.double(), expected, atol=2e-3, rtol=0)


def test_zero_gradient_gives_zero() -> None:
    assert newton_schulz(torch.zeros(1, 4, 9), 5, torch.float32).abs().max() == 0


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (32, 32)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(newton_schulz(torch.randn(1, *shape), 5, torch.float32)[0])
    assert values.max() < 1.25
    assert values.median() > 0.65
