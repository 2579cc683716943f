"""What is written to one of two lanes."""

from __future__ import annotations

import torch

from loopspec.compiler.modules import write_lane


def test_a_lane_takes_its_share_of_both_branches() -> None:
    generator = torch.Generator().manual_seed(0)
    lane, attention, mlp = (torch.randn(2, 3, 4, generator=generator) for _ in range(3))
    residual, post = torch.tensor(1.1, requires_grad=True), torch.tensor([0.5, -2.0], requires_grad=True)
    y = write_lane(lane, attention, mlp, residual, post)
    torch.testing.assert_close(y, 1.1 * lane + 0.5 * attention - 2.0 * mlp)
    y.sum().backward()
    torch.testing.assert_close(residual.grad, lane.sum())
    torch.testing.assert_close(post.grad, torch.stack((attention.sum(), mlp.sum())))
