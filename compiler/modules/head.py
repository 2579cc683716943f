"""The output side: logits and the losses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .parameter import empty


class Head(nn.Module):
    """An output head of its own. Slot: weight (V, d)."""

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__()
        self.weight = empty(vocab_size, dim)


def project_logits(x: Tensor, weight: Tensor, softcap: float | None = None) -> Tensor:
    """x (B, T, d) against weight (V, d) -> logits (B, T, V) in float32, bounded to +-softcap by tanh."""
    logits = F.linear(x, weight.to(x.dtype)).float()
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)


def cross_entropy(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0, z_loss: float = 0.0) -> Tensor:
    """Mean negative log-likelihood in nats; logits (B, T, V), targets (B, T) int64.

    `label_smoothing` is the share of each target's probability that goes evenly to all V tokens; `z_loss` weighs the
    mean square of the log-partition logsumexp(logits), which keeps logits from drifting (PaLM, arXiv 2204.02311).
    """
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=label_smoothing)
    return loss if z_loss == 0 else loss + z_loss * torch.logsumexp(logits, dim=-1).square().mean()


def multi_token_loss(
    x: Tensor, targets: Tensor, weight: Tensor, *, offset: int, softcap: float | None = None
) -> Tensor:
    """Mean cross entropy, in nats, of the tokens `offset` places further ahead (arXiv 2404.19737).

    x (B, T, d) is the final, normed stream, targets (B, T) hold the next token of each position, weight (V, d): the
    position t < T - offset predicts targets[:, t + offset].

    Raises:
        ValueError: no row has a token so far ahead.
    """
    if x.size(1) <= offset:
        raise ValueError(f"a head that predicts {offset} tokens further ahead needs longer rows than {x.size(1)}")
    return cross_entropy(project_logits(x[:, :-offset], weight, softcap), targets[:, offset:])


def weighted_loss(loss: Tensor, *auxiliary: Tensor, weights: Sequence[float]) -> Tensor:
    """loss + sum of weights[i] * auxiliary[i], all ()."""
    for weight, extra in zip(weights, auxiliary, strict=True):
        loss = loss + weight * extra
    return loss


def learned_weighted_loss(*losses: Tensor, weights: Tensor, firings: Sequence[int]) -> Tensor:
    """Sum of losses[i] by the softmax of their weights; losses (), weights (n,), loss i has weights[firings[i]]."""
    assert len(firings) == len(losses), f"{len(firings)} firings of {len(losses)} losses"
    given = weights.float()[list(firings)]
    return (torch.softmax(given, dim=0) * torch.stack(losses)).sum()
