"""Attention: causal, grouped as documented, equal to the textbook in float64."""

from __future__ import annotations

from math import sqrt

import pytest
import torch

from loopspec.compiler.modules import Attention, rotary_table
from loopspec.compiler.modules.attention_kernel import best_kernel, causal_attention, use_kernel


def filled(seed: int = 0, **options: bool) -> Attention:
    """4 query heads over 2 key-value heads of width 4."""
    attention = Attention(16, 4, 2, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return attention


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_later_token_changes_no_earlier_output(exclusive: bool) -> None:
    attention, generator = filled(), torch.Generator().manual_seed(1)
    x, values = torch.randn(2, 9, 16, generator=generator), torch.randn(2, 9, 8, generator=generator)
    changed, changed_values = x.clone(), values.clone()
    changed[:, 6], changed_values[:, 6] = 5.0, -5.0
    rotary = rotary_table(x, 4, 100.0)
    before = attention(x, rotary, values, exclusive)
    after = attention(changed, rotary, changed_values, exclusive)
    assert torch.equal(before[:, :6], after[:, :6])
    for token in (6, 7, 8):
        assert not torch.allclose(before[:, token], after[:, token], atol=1e-3)


def test_the_kernel_equals_the_textbook_with_adjacent_heads_grouped() -> None:
    generator = torch.Generator().manual_seed(2)
    q, k, v = (torch.randn(2, 7, heads, 4, generator=generator) for heads in (6, 2, 2))
    y = causal_attention(q, k, v)
    for head in range(6):
        key, value = k[:, :, head // 3].double(), v[:, :, head // 3].double()
        scores = q[:, :, head].double() @ key.transpose(1, 2) / sqrt(4)
        scores = scores.masked_fill(torch.ones(7, 7).triu(1).bool(), -torch.inf)
        torch.testing.assert_close(y[:, :, head].double(), scores.softmax(-1) @ value, rtol=0, atol=1e-5)


def test_the_first_token_returns_its_own_value() -> None:
    attention = filled()
    x = torch.randn(1, 1, 16, generator=torch.Generator().manual_seed(3))
    own = (x[0, 0] @ attention.value.T).view(2, 1, 4).expand(2, 2, 4).reshape(16)
    torch.testing.assert_close(attention(x)[0, 0], own @ attention.output.T)


def test_values_are_added_to_the_value_vectors() -> None:
    attention, generator = filled(), torch.Generator().manual_seed(4)
    x, values = torch.randn(1, 1, 16, generator=generator), torch.randn(1, 1, 8, generator=generator)
    added = (attention(x, values=values) - attention(x))[0, 0]
    expected = values[0, 0].view(2, 1, 4).expand(2, 2, 4).reshape(16) @ attention.output.T
    torch.testing.assert_close(added, expected, rtol=1e-4, atol=1e-4)


def test_gain_multiplies_the_queries_of_its_head() -> None:
    attention = filled()
    x = torch.randn(1, 5, 16, generator=torch.Generator().manual_seed(5))
    before = attention(x)
    assert attention.gain is not None
    with torch.no_grad():
        attention.gain[1] *= 3
        attention.output[:, :4] = 0
        attention.output[:, 8:] = 0  # leaves head 1 alone visible
    changed = attention(x)
    with torch.no_grad():
        attention.gain[1] /= 3
        unchanged = attention(x)
        attention.gain[2] *= 3
    assert not torch.allclose(changed, unchanged, atol=1e-3)
    assert torch.equal(attention(x), unchanged)
    assert not torch.allclose(before, unchanged, atol=1e-3)


def test_query_key_norm_makes_scores_blind_to_the_inputs_scale() -> None:
    x = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(6))
    normed, bare = filled(), filled(qk_norm=False)
    torch.testing.assert_close(normed(4 * x), 4 * normed(x), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(bare(4 * x), 4 * bare(x), atol=1e-2)


def test_an_unknown_kernel_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown attention kernel 'flash9'; known: sdpa, flash3, flash2"):
        use_kernel("flash9")


def test_a_processor_gets_sdpa() -> None:
    assert best_kernel(torch.device("cpu"), torch.bfloat16) == "sdpa"
