"""The gate of each token on what a block adds."""

from __future__ import annotations

import torch

from loopspec.compiler.modules import token_gate


def test_one_gate_a_token_and_no_gradient_through_its_input() -> None:
    generator = torch.Generator().manual_seed(0)
    start, end = (torch.randn(2, 3, 4, generator=generator).requires_grad_() for _ in range(2))
    weight, bias = torch.randn(4, generator=generator).requires_grad_(), torch.tensor(2.0, requires_grad=True)
    y = token_gate(start, end, weight, bias)
    share = 1 / (1 + (-(torch.einsum("btd,d->bt", start, weight) + bias)).exp())
    torch.testing.assert_close(y, start * (1 - share)[..., None] + end * share[..., None], rtol=0, atol=1e-5)
    y.sum().backward()
    assert start.grad is not None and end.grad is not None and weight.grad is not None and bias.grad is not None
    torch.testing.assert_close(start.grad, (1 - share)[..., None].expand(2, 3, 4))
    torch.testing.assert_close(end.grad, share[..., None].expand(2, 3, 4))
    slope = (share * (1 - share) * (end - start).sum(-1)).detach()
    torch.testing.assert_close(weight.grad, torch.einsum("bt,btd->d", slope, start))
    torch.testing.assert_close(bias.grad, slope.sum())
