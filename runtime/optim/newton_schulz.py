"""Newton-Schulz orthogonalisation, the core of Muon (Keller Jordan, 2024, https://kellerjordan.github.io/posts/muon)."""

from __future__ import annotations

import torch
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients (a, b, c) of one step X <- a X + (b A + c A A) X with A = X X^T."""

NORM_EPS = 1e-7
GRAM_STEPS = 5


def newton_schulz(matrices: Tensor, steps: int, dtype: torch.dtype) -> Tensor:
    """Drive the singular values of each matrix towards 1 (into about 0.7..1.2), keeping its singular vectors.

    Args:
        matrices: (N, rows, cols), one batch of equal shapes; each is treated alone.
        steps: number of quintic steps; 5 is the published setting.
        dtype: what the iteration computes in. The published runs use bfloat16.

    Returns:
        (N, rows, cols) in `dtype`.
    """
    tall = matrices.size(1) > matrices.size(2)
    x = matrices.to(dtype)
    x = x.mT if tall else x
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + NORM_EPS)).contiguous()
    x = _published_form(x, steps) if dtype == torch.bfloat16 else _restarted_gram_form(x, steps)
    return x.mT if tall else x


def _published_form(x: Tensor, steps: int) -> Tensor:
    """The iteration on X itself, (N, r, c) with r <= c, rounding where the published runs round: equal bits on CPU."""
    a, b, c = QUINTIC
    for _ in range(steps):
        gram = x @ x.mT  # (N, r, r)
        polynomial = b * gram + c * gram @ gram
        x = a * x + polynomial @ x
    return x


def _restarted_gram_form(x: Tensor, steps: int) -> Tensor:
    """The same iteration on Gram matrices: on CPU in float32 it takes half to two thirds of the published form's time.

    Rounding grows with the steps done on one Gram matrix (measured, worst of low ranks: 3e-4 after 5, 0.7 after 8, in
    entries up to 1; bfloat16 0.4), so that it is formed anew after `GRAM_STEPS`.
    """
    for done in range(0, steps, GRAM_STEPS):
        x = _gram_form(x, min(GRAM_STEPS, steps - done))
    return x


def _gram_form(x: Tensor, steps: int) -> Tensor:
    """`steps` >= 1 steps on the (N, r, r) Gram matrix: each X is Q X0, so the long side enters twice in all."""
    a, b, c = QUINTIC
    gram = torch.bmm(x, x.mT)
    product: Tensor | None = None
    for step in range(steps):
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        product = polynomial if product is None else torch.bmm(polynomial, product)
        if step < steps - 1:
            gram = torch.bmm(torch.bmm(polynomial, gram), polynomial)
    assert product is not None
    return torch.bmm(product, x)
