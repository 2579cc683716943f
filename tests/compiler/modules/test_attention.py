"""Attention: causal, grouped as documented, equal to the textbook in float64."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch

from loopspec.compiler.modules import Attention, rotary_table
from loopspec.compiler.modules.attention_kernel import best_kernel, causal_attention, use_kernel


def filled(seed: int = 0, **options: Any) -> Attention:
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
    before = attention(x, rotary, values, exclusive=exclusive)
    after = attention(changed, rotary, changed_values, exclusive=exclusive)
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
    normed, bare = filled(), filled(qk_norm_eps=None)
    torch.testing.assert_close(normed(4 * x), 4 * normed(x), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(bare(4 * x), 4 * bare(x), atol=1e-2)


def test_an_unknown_kernel_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown attention kernel 'flash9'; known: sdpa, flash3, flash2"):
        use_kernel("flash9")


def test_a_processor_gets_sdpa() -> None:
    assert best_kernel(torch.device("cpu"), torch.bfloat16) == "sdpa"


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def textbook(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Attention of query heads (B, T, H, h) over (B, T, Hk, h) in float64, each head by itself."""
    heads, group, length = q.size(2), q.size(2) // k.size(2), q.size(1)
    q, k, v = (tensor.double() for tensor in (q, k, v))
    future = torch.ones(length, length).triu(1).bool()
    parts = []
    for head in range(heads):
        scores = torch.einsum("bth,bsh->bts", q[:, :, head], k[:, :, head // group]) / sqrt(q.size(-1))
        parts.append(scores.masked_fill(future, -torch.inf).softmax(-1) @ v[:, :, head // group])
    return torch.stack(parts, dim=2)


def normed(x: torch.Tensor) -> torch.Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 2**-23).sqrt()


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("rank", [None, 3])
def test_differential_attention_subtracts_the_odd_head_of_each_pair(rank: int | None, exclusive: bool) -> None:
    attention, x = filled(differential=True, query_rank=rank), random(2, 7, 16, seed=7)
    query = attention.query if attention.query is not None else attention.query_up @ attention.query_down
    assert query.shape == (32, 16)
    assert attention.gain is not None and attention.gain.shape == (8,)
    assert attention.mix is not None and attention.mix.shape == (4, 16)
    k, v = ((x @ w.T).view(2, 7, 2, 4) for w in (attention.key, attention.value))
    q = normed((x @ query.T).view(2, 7, 8, 4)) * attention.gain[:, None]
    heads = textbook(q, normed(k), v)
    share = (x @ attention.mix.T).sigmoid().double()
    y = torch.stack([heads[:, :, 2 * i] - share[:, :, i, None] * heads[:, :, 2 * i + 1] for i in range(4)], dim=2)
    if exclusive:
        own = v.repeat_interleave(2, dim=2).double()
        own = own / own.norm(dim=-1, keepdim=True)
        y = y - torch.einsum("bthc,bthc->bth", y, own)[..., None] * own
    expected = y.reshape(2, 7, 16) @ attention.output.T.double()
    torch.testing.assert_close(attention(x, exclusive=exclusive).double(), expected, rtol=1e-4, atol=1e-4)


def test_a_low_rank_query_equals_its_product() -> None:
    low, full, x = filled(query_rank=3), filled(), random(2, 5, 16, seed=8)
    assert {name: tuple(p.shape) for name, p in low.named_parameters() if "query" in name} == {
        "query_down": (3, 16),
        "query_up": (16, 3),
    }
    with torch.no_grad():
        for name, parameter in full.named_parameters():
            parameter.copy_(low.query_up @ low.query_down if name == "query" else low.get_parameter(name))
    torch.testing.assert_close(low(x), full(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("slot", ["query", "key", "value", "output"])
def test_a_delta_equals_its_product_added_to_the_matrix(slot: str) -> None:
    attention, x = filled(), random(2, 5, 16, seed=9)
    rotary = rotary_table(x, 4, 100.0)
    matrix = attention.get_parameter(slot)
    down, up = random(2, 16, seed=10).requires_grad_(), random(len(matrix), 2, seed=11).requires_grad_()
    y = attention(x, rotary, exclusive=True, **{f"{slot}_delta_down": down, f"{slot}_delta_up": up})
    y.square().sum().backward()
    assert all(delta.grad is not None and delta.grad.abs().max() > 0 for delta in (down, up))
    plain = attention(x, rotary, exclusive=True)
    with torch.no_grad():
        matrix += up @ down
    torch.testing.assert_close(y, attention(x, rotary, exclusive=True), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(y, plain, atol=1e-2)


def test_a_delta_reaches_low_rank_queries_too() -> None:
    attention, x = filled(query_rank=3), random(1, 5, 16, seed=12)
    down, up = random(2, 16, seed=13), random(16, 2, seed=14)
    y = attention(x, query_delta_down=down, query_delta_up=up)
    full = filled()
    with torch.no_grad():
        for name, parameter in full.named_parameters():
            same = attention.query_up @ attention.query_down + up @ down
            parameter.copy_(same if name == "query" else attention.get_parameter(name))
    torch.testing.assert_close(y, full(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("names", [("query_delta_down",), ("output_delta_up",), ("gate_delta_down", "gate_delta_up")])
def test_half_a_delta_or_one_of_an_unknown_matrix_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError, match="delta"):
        filled()(random(1, 2, 16, seed=0), **{name: random(2, 16, seed=1) for name in names})


def test_returned_values_include_what_was_added() -> None:
    attention, x, values = filled(), random(2, 5, 16, seed=15), random(2, 5, 8, seed=16)
    out, returned = attention(x, values=values, return_values=True)
    torch.testing.assert_close(returned, x @ attention.value.T + values)
    assert torch.equal(out, attention(x, values=values))
    assert torch.equal(attention(x, return_values=True)[1], x @ attention.value.T)


def test_a_gain_given_takes_the_place_of_the_modules_own() -> None:
    attention, other, x, gain = filled(), filled(), random(1, 5, 16, seed=17), random(4, seed=18).requires_grad_()
    y = attention(x, gain=gain)
    y.sum().backward()
    assert gain.grad is not None and attention.gain is not None and attention.gain.grad is None
    assert other.gain is not None
    with torch.no_grad():
        other.gain.copy_(gain)
    assert torch.equal(y, other(x))
    without = filled(gain=False)
    without.load_state_dict({name: value for name, value in other.state_dict().items() if name != "gain"})
    assert torch.equal(without(x, gain=gain), y)
