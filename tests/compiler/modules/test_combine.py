"""Rules that make one stream of several firings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from loopspec.compiler.modules import blend_toward, gated_blend, mean_of, update_average


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("other", [(2, 5, 4), (4,)])
def test_a_gated_blend_reads_both_streams(other: tuple[int, ...]) -> None:
    a, b, gate = random(2, 5, 4, seed=0), random(*other, seed=1), random(4, 8, seed=2)
    for tensor in (a, b, gate):
        tensor.requires_grad_()
    y = gated_blend(a, b, gate)
    y.sum().backward()
    assert all(tensor.grad is not None and tensor.grad.abs().max() > 0 for tensor in (a, b, gate))
    x, r, w = a.detach().numpy(), np.broadcast_to(b.detach().numpy(), (2, 5, 4)), gate.detach().numpy()
    logits = np.einsum("btd,od->bto", x, w[:, :4]) + np.einsum("btd,od->bto", r, w[:, 4:])
    g = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(y.detach().numpy(), g * x + (1 - g) * r, rtol=0, atol=1e-5)


def test_a_vector_in_bfloat16_joins_a_float32_stream() -> None:
    a, b, gate = random(2, 5, 4, seed=0), random(4, seed=1).bfloat16(), random(4, 8, seed=2)
    assert torch.equal(gated_blend(a, b, gate), gated_blend(a, b.float(), gate))


def test_a_blend_goes_the_scales_part_of_the_way() -> None:
    x, target = random(2, 3, 4, seed=3), random(2, 3, 4, seed=4)
    assert torch.equal(blend_toward(x, target, torch.tensor(0.0)), x)
    torch.testing.assert_close(blend_toward(x, target, torch.tensor(1.0)), target)
    scale = torch.tensor(0.25, requires_grad=True)
    y = blend_toward(x, target, scale)
    torch.testing.assert_close(y, 0.75 * x + 0.25 * target)
    y.sum().backward()
    torch.testing.assert_close(scale.grad, (target - x).sum())


def test_the_mean_of_streams() -> None:
    streams = [random(2, 3, 4, seed=seed) for seed in range(3)]
    torch.testing.assert_close(mean_of(*streams), torch.from_numpy(np.mean([s.numpy() for s in streams], axis=0)))
    assert torch.equal(mean_of(streams[0]), streams[0])


def test_an_average_moves_without_gradient() -> None:
    k, average = random(2, 5, 4, seed=5).requires_grad_(), random(4, seed=6).requires_grad_()
    before = average.detach().clone()
    moved = update_average(k, average, 0.99)
    expected = 0.99 * before.numpy() + 0.01 * k.detach().numpy().reshape(10, 4).mean(0)
    np.testing.assert_allclose(moved.numpy(), expected, rtol=0, atol=1e-6)
    assert not moved.requires_grad and torch.equal(average, before)
    assert update_average(k, average.bfloat16(), 0.99).dtype == torch.bfloat16
