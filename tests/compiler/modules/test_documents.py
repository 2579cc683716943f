"""Where documents begin, and what attention sees of them."""

from __future__ import annotations

import sys
import types

import pytest
import torch

from loopspec.compiler.modules import SmearGate, document_mask, document_starts
from loopspec.compiler.modules.attention_kernel import FLASH_MODULES, causal_attention, use_kernel
from loopspec.compiler.modules.embedding import hash_ngrams

TOKENS = torch.tensor([[5, 1, 6, 1, 1, 7]])


def test_the_mask_is_causal_within_each_document() -> None:
    visible = document_mask(document_starts(TOKENS, 1))[0, 0] == 0
    assert visible.int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1, 1],
    ]


def test_the_mask_has_the_dtype_that_attention_computes_in() -> None:
    starts = document_starts(TOKENS, 1)
    assert document_mask(starts).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert document_mask(starts).dtype == torch.bfloat16


def test_without_a_boundary_masked_attention_is_causal_attention() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 6, heads, 4, generator=generator) for heads in (4, 2, 2))
    mask = document_mask(torch.zeros(2, 6, dtype=torch.bool))
    torch.testing.assert_close(causal_attention(q, k, v, mask), causal_attention(q, k, v), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_a_document_is_hashed_as_if_the_row_began_there(order: int, cut: int) -> None:
    tokens = torch.tensor([[5, 8, 6, 1, 9, 7], [3, 3, 3, 3, 3, 3]])
    starts = torch.zeros(2, 6, dtype=torch.bool)
    starts[:, cut] = True
    apart = torch.cat((hash_ngrams(tokens[:, :cut], order, 101), hash_ngrams(tokens[:, cut:], order, 101)), dim=1)
    assert torch.equal(hash_ngrams(tokens, order, 101, starts), apart)


def test_nothing_is_smeared_over_a_start() -> None:
    gate = SmearGate(4)
    x = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(1))
    starts = document_starts(TOKENS, 1)
    smeared = gate(x, starts)
    assert torch.equal(smeared[starts], 0.5 * x[starts])
    inside = ~starts
    inside[:, 0] = False
    assert torch.equal(smeared[inside], gate(x)[inside])


def test_a_kernel_without_masks_refuses_one(monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType(FLASH_MODULES["flash3"])
    package.flash_attn_func = lambda q, k, v, causal: q  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, FLASH_MODULES["flash3"], package)
    q = torch.zeros(1, 6, 2, 4)
    try:
        use_kernel("flash3")
        with pytest.raises(ValueError, match=r"'flash3' takes no mask, which model\.documents needs; use sdpa"):
            causal_attention(q, q, q, document_mask(document_starts(TOKENS, 1)))
    finally:
        use_kernel("sdpa")
