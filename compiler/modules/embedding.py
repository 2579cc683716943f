"""Token tables: the token embedding, hashed n-grams added to it, and the value embedding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .parameter import empty


class TokenEmbedding(nn.Module):
    """Slot: weight (V, d)."""

    def __init__(self, vocab_size: int, dim: int, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.weight = empty(vocab_size, dim, dtype=dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) -> (B, T, d) in float32, the dtype of the stream."""
        return F.embedding(tokens, self.weight).float()


def hash_ngrams(tokens: Tensor, order: int, buckets: int, starts: Tensor | None = None) -> Tensor:
    """Bucket of each token's bigram (order 2) or trigram (order 3), (B, T) int64.

    The modulus is buckets - 1; the last bucket is for the first token of a row. The second token of a row has no
    trigram and takes its bigram. Products wrap in int32, as in the originals (from token id 41,581 on). Where `starts`
    (B, T) bool is given, a document that begins within a row is hashed as if the row began there.
    """
    ids, modulus = tokens.int(), buckets - 1
    first = torch.full_like(ids[:, :1], modulus)
    pairs = (36313 * ids[:, 1:]) ^ (27191 * ids[:, :-1])
    hashed = bigrams = torch.cat((first, pairs % modulus), dim=1)
    if order == 3:
        triples = pairs[:, 1:] ^ (51647 * ids[:, :-2])
        hashed = torch.cat((bigrams[:, :2], triples % modulus), dim=1)
    if starts is not None:
        hashed = torch.where(F.pad(starts[:, :-1], (1, 0)), bigrams, hashed)
        hashed = hashed.masked_fill(starts, modulus)
    return hashed.long()


class NgramHash(nn.Module):
    """Slots: table (buckets, width), projection (d, width) where width is not d, scale ()."""

    def __init__(self, order: int, buckets: int, width: int, dim: int, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.order, self.buckets = order, buckets
        self.table = empty(buckets, width, dtype=dtype)
        self.projection = empty(dim, width) if width != dim else None
        self.scale = empty()

    def forward(self, x: Tensor, tokens: Tensor, starts: Tensor | None = None) -> Tensor:
        """x (B, T, d) plus the scaled embedding of each token's n-gram; `starts`: see `hash_ngrams`."""
        ngrams = F.embedding(hash_ngrams(tokens, self.order, self.buckets, starts), self.table).to(x.dtype)
        if self.projection is not None:
            ngrams = F.linear(ngrams, self.projection.to(x.dtype))
        return x + ngrams * self.scale


class ValueEmbedding(nn.Module):
    """Slots: table (V, width), projection (Hk * h, width) where they differ, scale ()."""

    def __init__(self, vocab_size: int, width: int, dim: int, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.table = empty(vocab_size, width, dtype=dtype)
        self.projection = empty(dim, width) if width != dim else None
        self.scale = empty()

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) -> (B, T, Hk * h), shared by every position that adds it to its values."""
        values = F.embedding(tokens, self.table).float()
        if self.projection is not None:
            values = F.linear(values, self.projection)
        return values * self.scale
