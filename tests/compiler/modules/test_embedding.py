"""Hashed n-grams, exactly as the originals computed them, and the tables."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from loopspec.compiler.modules import NgramHash, ValueEmbedding
from loopspec.compiler.modules.embedding import hash_ngrams


@pytest.mark.parametrize("order", [2, 3])
def test_a_bucket_depends_on_its_ngram_alone_and_the_last_is_for_the_first_token(order: int) -> None:
    tokens = torch.tensor([[5, 1, 2, 3, 4], [6, 1, 2, 3, 4], [9, 9, 9, 9, 9]])
    ids = hash_ngrams(tokens, order, 101)
    assert ids[:, 0].tolist() == [100] * 3 and ids[:, 1:].max() < 100 and ids.min() >= 0
    assert torch.equal(ids[0, order:], ids[1, order:])
    assert not torch.equal(ids[0, 1:order], ids[1, 1:order])


def test_the_second_token_of_a_trigram_row_takes_its_bigram() -> None:
    tokens = torch.tensor([[7, 8, 9]])
    assert hash_ngrams(tokens, 3, 101)[0, 1] == hash_ngrams(tokens, 2, 101)[0, 1]


def int32(value: int) -> int:
    """The low 32 bits as a signed number."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


@pytest.mark.parametrize("token", [41_580, 41_581, 59_138, 59_139, 65_535])
def test_products_wrap_in_int32(token: int) -> None:
    tokens = torch.tensor([[token, 7, token], [60_000, token, 3]])
    for row, (a, b, c) in enumerate(tokens.tolist()):
        pairs = [int32(36313 * b) ^ int32(27191 * a), int32(36313 * c) ^ int32(27191 * b)]
        assert hash_ngrams(tokens, 2, 2048)[row].tolist() == [2047, pairs[0] % 2047, pairs[1] % 2047]
        triple = pairs[1] ^ int32(51647 * a)
        assert hash_ngrams(tokens, 3, 8192)[row].tolist() == [8191, pairs[0] % 8191, triple % 8191]


def test_ngrams_are_projected_scaled_and_added() -> None:
    layer = NgramHash(2, 7, 3, 4)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    x, tokens = torch.randn(1, 5, 4, generator=generator), torch.tensor([[1, 2, 3, 2, 3]])
    added = layer(x, tokens) - x
    assert layer.projection is not None
    expected = layer.scale * F.linear(layer.table[hash_ngrams(tokens, 2, 7)], layer.projection)
    torch.testing.assert_close(added, expected)
    torch.testing.assert_close(added[0, 2], added[0, 4])  # the bigram (2, 3) twice


@pytest.mark.parametrize("layer", [NgramHash(2, 7, 4, 4), ValueEmbedding(7, 4, 4)])
def test_equal_widths_need_no_projection(layer: torch.nn.Module) -> None:
    assert [name for name, _ in layer.named_parameters()] == ["table", "scale"]
