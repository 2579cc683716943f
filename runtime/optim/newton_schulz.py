"""Newton-Schulz orthogonalisation, the core of Muon (Keller Jordan, 2024, https://kellerjordan.github.io/posts/muon)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...compiler.spec.optimizer import Coefficients

QUINTIC: Coefficients = (3.4445, -4.7750, 2.0315)
"""Coefficients (a, b, c) of one step X <- a X + (b A + c A A) X with A = X X^T."""

NORM_EPS = 1e-7
GRAM_STEPS = 5

POLAR_EXPRESS: tuple[Coefficients, ...] = (  # Algorithm 1 of arXiv 2505.16932
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
    (1.875, -1.25, 0.375),
)
_SAFETY = 1.01


def polar_express(steps: int) -> tuple[Coefficients, ...]:
    """Coefficients of Polar Express (Amsel et al., arXiv 2505.16932): the best of each step for what earlier ones left.

    As published, all rows but the last are flattened by 1%, and the last repeats. The 1% by which the published code
    also widens the first division by the norm is in the first row: p(x / 1.01) is the same polynomial of x.
    """
    rows = [_flattened(row) for row in POLAR_EXPRESS[:-1]] + [POLAR_EXPRESS[-1]]
    rows[0] = _flattened(rows[0])
    return tuple(rows[min(step, len(rows) - 1)] for step in range(steps))


def _flattened(row: Coefficients) -> Coefficients:
    """The coefficients of p(x / 1.01)."""
    a, b, c = row
    return a / _SAFETY, b / _SAFETY**3, c / _SAFETY**5


def newton_schulz(matrices: Tensor, coefficients: Sequence[Coefficients], dtype: torch.dtype) -> Tensor:
    """Drive the singular values of each matrix towards 1 (quintic: into about 0.7..1.2), keeping its singular vectors.

    Args:
        matrices: (N, rows, cols), one batch of equal shapes; each is treated alone.
        coefficients: those of each step; five times `QUINTIC` is the published setting.
        dtype: what the iteration computes in. The published runs use bfloat16.

    Returns:
        (N, rows, cols) in `dtype`.
    """
    tall = matrices.size(1) > matrices.size(2)
    x = matrices.to(dtype)
    x = x.mT if tall else x
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + NORM_EPS)).contiguous()
    x = _published_form(x, coefficients) if dtype == torch.bfloat16 else _restarted_gram_form(x, coefficients)
    return x.mT if tall else x


def _published_form(x: Tensor, coefficients: Sequence[Coefficients]) -> Tensor:
    """The iteration on X itself, (N, r, c) with r <= c, rounding where the published runs round: equal bits on CPU."""
    for a, b, c in coefficients:
        gram = x @ x.mT  # (N, r, r)
        polynomial = b * gram + c * gram @ gram
        x = a * x + polynomial @ x
    return x


def _restarted_gram_form(x: Tensor, coefficients: Sequence[Coefficients]) -> Tensor:
    """The same iteration on Gram matrices: on CPU in float32 it takes half to two thirds of the published form's time.

    Rounding grows with the steps done on one Gram matrix (measured, worst of low ranks: 3e-4 after 5, by quintic and
    Polar Express alike, and 0.7 after 8, in entries up to 1; bfloat16 0.4), so that it is formed anew after
    `GRAM_STEPS`.
    """
    for done in range(0, len(coefficients), GRAM_STEPS):
        x = _gram_form(x, coefficients[done : done + GRAM_STEPS])
    return x


def _gram_form(x: Tensor, coefficients: Sequence[Coefficients]) -> Tensor:
    """One step or more on the (N, r, r) Gram matrix: each X is Q X0, so the long side enters twice in all."""
    gram = torch.bmm(x, x.mT)
    product: Tensor | None = None
    for step, (a, b, c) in enumerate(coefficients):
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        product = polynomial if product is None else torch.bmm(polynomial, product)
        if step < len(coefficients) - 1:
            gram = torch.bmm(torch.bmm(polynomial, gram), polynomial)
    assert product is not None
    return torch.bmm(product, x)
