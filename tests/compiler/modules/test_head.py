"""Losses beyond the next token's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from loopspec.compiler.modules import cross_entropy, learned_weighted_loss, multi_token_loss, weighted_loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_z_loss_adds_the_mean_square_of_the_log_partition(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 7, generator=generator).requires_grad_()
    targets = torch.randint(7, (2, 5), generator=generator)
    loss = cross_entropy(logits, targets, label_smoothing=smoothing, z_loss=0.25)
    z = logits.detach().double().numpy()
    partition = np.log(np.exp(z).sum(-1))
    own = cross_entropy(logits, targets, label_smoothing=smoothing).item()
    np.testing.assert_allclose(loss.item(), own + 0.25 * (partition**2).mean(), rtol=1e-6)
    loss.backward()
    assert logits.grad is not None
    softmax = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    wanted = (1 - smoothing) * np.eye(7)[targets.numpy()] + smoothing / 7
    expected = (softmax - wanted) / 10 + 0.25 * 2 * partition[..., None] * softmax / 10
    np.testing.assert_allclose(logits.grad.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("offset", [1, 2, 4])
def test_a_head_predicts_the_token_that_is_so_far_ahead(offset: int, softcap: float | None) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 4, generator=generator)
    targets = torch.randint(7, (2, 5), generator=generator)
    head = torch.randn(7, 4, generator=generator).requires_grad_()
    loss = multi_token_loss(x, targets, head, offset=offset, softcap=softcap)
    nats = []
    for row in range(2):
        for t in range(5 - offset):
            z = x[row, t].double().numpy() @ head.detach().double().numpy().T
            z = z if softcap is None else softcap * np.tanh(z / softcap)
            nats.append(np.log(np.exp(z).sum()) - z[targets[row, t + offset]])
    np.testing.assert_allclose(loss.item(), np.mean(nats), rtol=1e-5)
    loss.backward()
    assert head.grad is not None and head.grad.abs().max() > 0


@pytest.mark.parametrize("tokens", [1, 2])
def test_rows_too_short_for_a_head_are_refused(tokens: int) -> None:
    x, targets = torch.zeros(1, tokens, 4), torch.zeros(1, tokens, dtype=torch.long)
    message = f"a head that predicts 2 tokens further ahead needs longer rows than {tokens}"
    with pytest.raises(ValueError, match=message):
        multi_token_loss(x, targets, torch.zeros(7, 4), offset=2)


def test_auxiliary_losses_are_added_by_weight() -> None:
    losses = [torch.tensor(value) for value in (2.0, 3.0, 5.0)]
    assert weighted_loss(*losses, weights=(0.5, 0.25)).item() == 2.0 + 1.5 + 1.25
    assert weighted_loss(losses[0], weights=()) is losses[0]
    with pytest.raises(ValueError, match="longer"):
        weighted_loss(*losses, weights=(0.5,))


@pytest.mark.parametrize("firings", [(0, 1, 2), (2, 0, 1)])
def test_learned_weights_sum_to_one_and_are_trained(firings: tuple[int, ...]) -> None:
    values = np.array([0.0, 1.0, -2.0])
    weights = torch.tensor(values, dtype=torch.float32, requires_grad=True)
    losses = np.array([2.0, 3.0, 5.0])
    total = learned_weighted_loss(*map(torch.tensor, losses), weights=weights, firings=firings)
    shares = np.exp(values) / np.exp(values).sum()
    by_weight = np.empty(3)
    by_weight[list(firings)] = losses  # loss i has the weight firings[i]
    np.testing.assert_allclose(total.item(), (shares * by_weight).sum(), rtol=1e-6)
    total.backward()
    assert weights.grad is not None
    np.testing.assert_allclose(weights.grad.numpy(), shares * (by_weight - total.item()), atol=1e-6)


def test_learned_weights_of_fewer_firings_are_normed_among_themselves() -> None:
    weights = torch.tensor([0.0, 1.0, -2.0], requires_grad=True)
    total = learned_weighted_loss(torch.tensor(2.0), torch.tensor(5.0), weights=weights, firings=(2, 0))
    share = np.exp(-2.0) / (np.exp(-2.0) + 1)
    np.testing.assert_allclose(total.item(), share * 2.0 + (1 - share) * 5.0, rtol=1e-6)
    total.backward()
    assert weights.grad is not None and weights.grad[1] == 0 and weights.grad[2] < 0 < weights.grad[0]
    with pytest.raises(AssertionError, match="2 firings of 1 losses"):
        learned_weighted_loss(torch.tensor(2.0), weights=weights, firings=(2, 0))
