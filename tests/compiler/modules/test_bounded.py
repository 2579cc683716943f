"""Bounded recurrence: the formula, and that it is bounded."""

from __future__ import annotations

import numpy as np
import torch

from loopspec.compiler.modules import bounded_update


def streams(seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, 4, generator=generator) for _ in range(4)]


def test_the_update_is_the_weighted_sum() -> None:
    gate = torch.tensor([2.0, 0.5, 0.0, -1.0], requires_grad=True)
    x, x0, attention, mlp = streams()
    y = bounded_update(x, x0, attention, mlp, gate, tau=0.9)
    c = np.exp([2.0, 0.5, 0.0, -1.0])
    c /= c.sum()
    arrays = [stream.double().numpy() for stream in (x, x0, attention, mlp)]
    expected = c[0] * arrays[0] + c[1] * arrays[1] + 0.9 * (c[2] * arrays[2] + c[3] * arrays[3])
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=0, atol=1e-6)
    y.square().sum().backward()
    assert gate.grad is not None and gate.grad.abs().min() > 1e-3


def test_repeating_it_keeps_within_the_largest_input() -> None:
    x, x0, attention, mlp = streams(1)
    limit = torch.stack((x, x0, attention, mlp)).abs().max()
    for _ in range(50):
        x = bounded_update(x, x0, attention, mlp, torch.tensor([2.0, 0.5, 0.0, 0.0]), tau=0.9)
    assert x.abs().max() <= limit
