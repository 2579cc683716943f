"""Skips that a gate blends in."""

from __future__ import annotations

import torch

from loopspec.compiler.modules import gated_skip


def test_the_gate_of_each_channel_chooses_between_stream_and_skip() -> None:
    generator = torch.Generator().manual_seed(0)
    x, skip = (torch.randn(2, 3, 4, generator=generator) for _ in range(2))
    weight = torch.randn(4, generator=generator).requires_grad_()
    gate = torch.tensor([0.0, 1.0, -40.0, 40.0], requires_grad=True)
    y = gated_skip(x, skip, weight, gate)
    torch.testing.assert_close(y[..., 0], 0.5 * (x[..., 0] + weight[0] * skip[..., 0]))
    share = 1 / (1 + torch.tensor(-1.0).exp())
    torch.testing.assert_close(y[..., 1], share * x[..., 1] + (1 - share) * weight[1] * skip[..., 1])
    torch.testing.assert_close(y[..., 2], weight[2] * skip[..., 2])
    torch.testing.assert_close(y[..., 3], x[..., 3])
    y.sum().backward()
    assert weight.grad is not None and gate.grad is not None
    assert weight.grad[:3].abs().min() > 0 and gate.grad[:2].abs().min() > 0
