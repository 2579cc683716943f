"""The low-rank step between loops."""

from __future__ import annotations

import torch

from loopspec.compiler.modules import bottleneck


def test_the_normed_stream_goes_down_and_up_and_is_added() -> None:
    generator = torch.Generator().manual_seed(0)
    x, down, up = (torch.randn(*shape, generator=generator) for shape in ((2, 3, 6), (2, 6), (6, 2)))
    for eps in (1e-6, 0.5):
        normed = x / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        torch.testing.assert_close(
            bottleneck(x, down, up, eps=eps), x + torch.einsum("btd,rd,or->bto", normed, down, up)
        )


def test_it_is_the_identity_where_up_is_zero() -> None:
    x = torch.randn(1, 2, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(bottleneck(x, torch.ones(2, 6), torch.zeros(6, 2), eps=1e-6), x)
