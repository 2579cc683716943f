"""Hashed n-grams, exactly as the originals computed them, and the tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.goldens import GOLDEN

from loopspec.compiler.modules import NgramHash, ValueEmbedding
from loopspec.compiler.modules.embedding import hash_ngrams


@pytest.mark.parametrize(
    ("vectors", "order", "recorded"),
    [("pr498_frugendorff", 2, "bigram_ids"), ("crawler_run1_sequential", 3, "trigram_ids")],
)
def test_buckets_are_those_of_the_recording(vectors: str, order: int, recorded: str) -> None:
    with np.load(GOLDEN / f"{vectors}.npz") as arrays:
        tokens, expected = torch.from_numpy(arrays["input_ids"]), torch.from_numpy(arrays[recorded])
    assert torch.equal(hash_ngrams(tokens, order, buckets=48), expected)


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


def test_products_wrap_in_int32() -> None:
    tokens = torch.tensor([[60000, 65535]])
    wrapped = (np.int64(36313 * 65535) ^ np.int64(27191 * 60000)) & 0xFFFFFFFF
    signed = int(wrapped) - (1 << 32) if wrapped >= 1 << 31 else int(wrapped)
    assert hash_ngrams(tokens, 2, 2048)[0, 1].item() == signed % 2047


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
