"""Exclusive self-attention: nothing of a head's output lies along its own value."""

from __future__ import annotations

import torch

from loopspec.compiler.modules.exclusive import exclude_own_value


def test_the_output_is_orthogonal_to_the_value_of_the_heads_group() -> None:
    generator = torch.Generator().manual_seed(0)
    y, v = torch.randn(2, 5, 6, 8, generator=generator), torch.randn(2, 5, 2, 8, generator=generator)
    exclusive = exclude_own_value(y, v)
    own = v.repeat_interleave(3, dim=2)  # query head i reads key-value head i // 3
    torch.testing.assert_close((exclusive * own).sum(-1), torch.zeros(2, 5, 6), rtol=0, atol=1e-5)
    assert (y * own).sum(-1).abs().max() > 1
    removed = y - exclusive  # what is taken lies along the value and nowhere else
    torch.testing.assert_close(
        (removed * own).sum(-1).abs(), removed.norm(dim=-1) * own.norm(dim=-1), rtol=1e-4, atol=1e-5
    )


def test_a_zero_value_takes_nothing_away() -> None:
    y = torch.randn(1, 3, 2, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(exclude_own_value(y, torch.zeros(1, 3, 1, 4)), y)
