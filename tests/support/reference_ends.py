"""Input side, value embedding, head and losses of the reference systems, in plain torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from support.reference_block import FLOAT_EPS, Stores, rms
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What is not blocks; `ngram` is (order, buckets, dim), `value_dim` the width of the value table."""

    vocab: int
    dim: int
    kv_dim: int
    ngram: tuple[int, int, int] | None = None
    smear: bool = False
    value_dim: int | None = None
    tied: bool = True
    softcap: float | None = 30.0
    eps: float = FLOAT_EPS
    further_heads: int = 0
    smoothing: float = 0.0


def start(w: Stores, ids: Tensor, ends: Ends) -> Tensor:
    """The stream before the first block, (B, T, d)."""
    x = w["token_embedding.weight"][ids]
    if ends.ngram is not None:
        order, buckets, width = ends.ngram
        name = f"ngram_hash_{order}"
        row = w[f"{name}.table"][buckets_of(ids, order, buckets)]
        if width != ends.dim:
            row = row @ w[f"{name}.projection"].T
        x = x + w[f"{name}.scale"] * row
    x = rms(x, ends.eps)
    if ends.smear:
        g = torch.sigmoid(w["smear_gate.gate"])
        x = (1 - g) * x + g * torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
    return x


def buckets_of(ids: Tensor, order: int, buckets: int) -> Tensor:
    """Bucket of each token (B, T), one by one; the last bucket is the first token's."""
    last = buckets - 1
    rows = []
    for row in ids.tolist():
        found = [last]
        for t in range(1, len(row)):
            mixed = 36313 * row[t] ^ 27191 * row[t - 1]
            if order == 3 and t >= 2:
                mixed ^= 51647 * row[t - 2]
            mixed = (mixed + 2**31) % 2**32 - 2**31  # the reference computes in int32
            found.append(mixed % last)
        rows.append(found)
    return torch.tensor(rows)


def value_table(w: Stores, ids: Tensor, ends: Ends) -> Tensor:
    """The value embedding (B, T, K h), before the scale of a position."""
    values = w["value_embedding.table"][ids]
    if ends.value_dim != ends.kv_dim:
        values = values @ w["value_embedding.projection"].T
    return values * w["value_embedding.scale"]


def logits_of(w: Stores, x: Tensor, head: str, ends: Ends) -> Tensor:
    """Logits (B, T, V) of a normed stream."""
    z = x @ w[head].T
    return z if ends.softcap is None else ends.softcap * torch.tanh(z / ends.softcap)


def finish(w: Stores, x: Tensor, targets: Tensor, ends: Ends, *, training: bool) -> tuple[Tensor, Tensor]:
    """Logits (B, T, V) and loss (in nats) of the stream after the last block."""
    x = rms(x, ends.eps)
    logits = logits_of(w, x, "token_embedding.weight" if ends.tied else "head.weight", ends)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    if training:  # the reference smooths its validation loss too, which no score of ours does
        evenly = -torch.log_softmax(logits, -1).mean()
        loss = (1 - ends.smoothing) * loss + ends.smoothing * evenly
    if training and ends.further_heads:
        further = []
        for k in range(ends.further_heads):
            known = x.shape[1] - (k + 1)
            guess = logits_of(w, x[:, :known], f"multi_token_head.{k}", ends)
            further.append(F.cross_entropy(guess.flatten(0, 1), targets[:, k + 1 :].flatten()))
        loss = loss + 0.2 * torch.stack(further).mean()
    return logits, loss
