"""Newton-Schulz against the published outputs, and its float32 forms against float64."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler.spec.optimizer import Coefficients
from loopspec.runtime.optim.newton_schulz import NORM_EPS, POLAR_EXPRESS, QUINTIC, newton_schulz, polar_express

# Bit-equal where the vectors were made; other processors sum in another order, and five steps amplify that.
BFLOAT16_ROUNDING = 4e-2

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "muon.npz")


def reference(matrix: torch.Tensor, rows: tuple[Coefficients, ...]) -> torch.Tensor:
    """The textbook iteration in float64."""
    x = matrix.double()
    x = x.T if x.size(0) > x.size(1) else x
    x = x / (x.norm() + NORM_EPS)
    for a, b, c in rows:
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.size(0) > matrix.size(1) else x


@pytest.mark.parametrize("index", range(3))
def test_bfloat16_matches_the_published_runs(index: int) -> None:
    gradient = torch.from_numpy(GOLDEN[f"ns.G{index}"])
    expected = torch.from_numpy(GOLDEN[f"ns.out{index}_bf16_5steps"])
    got = newton_schulz(gradient.unsqueeze(0), (QUINTIC,) * 5, torch.bfloat16)[0].float()
    torch.testing.assert_close(got, expected, atol=BFLOAT16_ROUNDING, rtol=0)


@examples(40)
@given(
    rows=st.integers(1, 12),
    cols=st.integers(1, 40),
    rank=st.integers(1, 12),
    steps=st.integers(0, 8),
    exponent=st.integers(-6, 4),
    polar=st.booleans(),
    seed=st.integers(0, 99),
)
def test_float32_forms_match_float64(
    rows: int, cols: int, rank: int, steps: int, exponent: int, polar: bool, seed: int
) -> None:
    """Square, wide (Gram form) and tall shapes, any scale, and gradients of low rank."""
    coefficients = polar_express(steps) if polar else (QUINTIC,) * steps
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(3, rows, rank, generator=generator)
    matrices = left @ torch.randn(3, rank, cols, generator=generator) * 10.0**exponent
    got = newton_schulz(matrices, coefficients, torch.float32)
    expected = torch.stack([reference(matrix, coefficients) for matrix in matrices])
    torch.testing.assert_close(got.double(), expected, atol=2e-3, rtol=0)


def test_zero_gradient_gives_zero() -> None:
    assert newton_schulz(torch.zeros(1, 4, 9), (QUINTIC,) * 5, torch.float32).abs().max() == 0


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (32, 32)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(newton_schulz(torch.randn(1, *shape), (QUINTIC,) * 5, torch.float32)[0])
    assert values.max() < 1.25
    assert values.median() > 0.65


def published_polar_express(gradient: torch.Tensor, steps: int) -> torch.Tensor:
    """Algorithm 1 of arXiv 2505.16932, a matrix of at most as many rows as columns, in float64."""
    safe = [(a / 1.01, b / 1.01**3, c / 1.01**5) for a, b, c in POLAR_EXPRESS[:-1]] + [POLAR_EXPRESS[-1]]
    x = gradient.double()
    x = x / (x.norm() * 1.01 + 1e-7)
    for step in range(steps):
        a, b, c = safe[min(step, 7)]
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


@pytest.mark.parametrize("steps", [1, 5, 8, 10])
def test_polar_express_is_the_published_algorithm(steps: int) -> None:
    gradient = torch.randn(12, 30, generator=torch.Generator().manual_seed(0))
    got = newton_schulz(gradient.unsqueeze(0), polar_express(steps), torch.float32)[0]
    torch.testing.assert_close(got.double(), published_polar_express(gradient, steps), atol=1e-4, rtol=0)


def test_polar_express_comes_nearer_to_one_in_five_steps() -> None:
    gradient = torch.randn(1, 48, 64, generator=torch.Generator().manual_seed(0)).double()
    away = {}
    for name, rows in (("quintic", (QUINTIC,) * 5), ("polar", polar_express(5))):
        away[name] = (torch.linalg.svdvals(newton_schulz(gradient, rows, torch.float64)) - 1).abs().max().item()
    assert away["polar"] < 0.5 * away["quintic"]
    converged = torch.linalg.svdvals(newton_schulz(gradient, polar_express(10), torch.float64))
    torch.testing.assert_close(converged, torch.ones_like(converged), atol=1e-6, rtol=0)
