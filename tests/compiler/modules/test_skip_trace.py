"""The skip trace: what it keeps, what it adds, and the recorded system that has one."""

from __future__ import annotations

import io
from math import exp

import numpy as np
import pytest
import torch
from support.goldens import GOLDEN
from support.recorded_bank import RecordedBank

from loopspec.compiler.modules import SkipTrace


def traced(inject: float = 0.3, decay: float = 1.2) -> SkipTrace:
    trace = SkipTrace()
    with torch.no_grad():
        trace.inject.fill_(inject)
        trace.decay.fill_(decay)
    return trace


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*(shape or (2, 3, 4)), generator=torch.Generator().manual_seed(seed))


def sigmoid(z: float) -> float:
    return 1 / (1 + exp(-z))


def test_the_change_is_added_and_fades_with_age() -> None:
    trace, x_in, x_out, x = traced(), random(0), random(1), random(2)
    assert trace.record(x_in, x_out) is x_out
    for age in range(4):
        weight = sigmoid(0.3) * sigmoid(1.2) ** age
        torch.testing.assert_close(trace.add_trace(x), x + weight * (x_out - x_in))
        assert trace.age == age + 1
    trace.record(x_in, x_in + 1)
    torch.testing.assert_close(trace.add_trace(x), x + sigmoid(0.3))


def test_gradients_reach_both_parameters_and_not_the_record() -> None:
    trace, x_in, x_out = traced(), random(0).requires_grad_(), random(1).requires_grad_()
    trace.record(x_in, x_out)
    sum(trace.add_trace(random(seed)).sum() for seed in (2, 3, 4)).backward()
    change = (x_out - x_in).sum().item()
    g, s = sigmoid(0.3), sigmoid(1.2)
    assert trace.inject.grad is not None and trace.decay.grad is not None
    assert trace.inject.grad.item() == pytest.approx(g * (1 - g) * (1 + s + s**2) * change, rel=1e-4)
    assert trace.decay.grad.item() == pytest.approx(g * s * (1 - s) * (1 + 2 * s) * change, rel=1e-4)
    assert x_in.grad is None and x_out.grad is None


def test_nothing_is_added_before_a_record_and_both_parameters_get_the_gradient_zero() -> None:
    trace, x = traced(), random(0).requires_grad_()
    added = trace.add_trace(x)
    assert torch.equal(added, x) and trace.age is None
    added.sum().backward()
    assert trace.inject.grad == 0 and trace.decay.grad == 0
    assert x.grad is not None and torch.equal(x.grad, torch.ones_like(x))
    assert traced().add_trace(x.bfloat16()).dtype == torch.bfloat16


def test_evaluation_neither_records_nor_adds() -> None:
    trace, x = traced(), random(0)
    trace.record(x, random(1))
    before = {name: value.clone() for name, value in trace.state_dict().items()}
    trace.eval()
    assert trace.add_trace(x) is x
    assert trace.record(x, x) is x
    assert all(torch.equal(value, before[name]) for name, value in trace.state_dict().items())
    assert traced().eval().record(x, x) is x


def test_a_stream_of_another_shape_is_refused() -> None:
    trace = traced()
    trace.record(random(0), random(1))
    with pytest.raises(ValueError, match=r"change of shape \(2, 3, 4\) .* stream of shape \(2, 5, 4\)"):
        trace.add_trace(random(2, 2, 5, 4))


@pytest.mark.parametrize("assign", [False, True])
def test_the_cache_survives_a_round_trip_whatever_its_shape(assign: bool) -> None:
    trace, x = traced(), random(2)
    trace.record(random(0), random(1))
    trace.add_trace(x)
    file = io.BytesIO()
    torch.save(trace.state_dict(), file)
    file.seek(0)
    loaded = SkipTrace()
    loaded.record(random(0, 1, 7, 4), random(1, 1, 7, 4))  # a cache of another shape
    loaded.load_state_dict(torch.load(file), assign=assign)
    assert loaded.age == 1
    assert torch.equal(loaded.add_trace(x), trace.add_trace(x))


def test_without_a_record_the_state_is_the_parameters_and_loading_it_clears_a_cache() -> None:
    state = traced().state_dict()
    assert list(state) == ["inject", "decay"]
    trace, x = SkipTrace(), random(0)
    trace.record(x, random(1))
    trace.load_state_dict(state)
    assert trace.delta is None and trace.age is None and torch.equal(trace.add_trace(x), x)


def test_the_recorded_bank() -> None:
    with np.load(GOLDEN / "gs7_crawler_bank.npz") as data:
        arrays = {name: torch.from_numpy(data[name]) for name in data.files}
    bank = RecordedBank(arrays)
    first = (arrays["input_ids"], arrays["target_ids"])
    second = (arrays["input_ids_2"], arrays["target_ids_2"])
    empty = bank.loss(*first, fires=False)
    torch.testing.assert_close(empty, arrays["loss_inactive_no_cache"], rtol=0, atol=2e-5)
    losses = [bank.loss(*first, fires=True)]
    assert bank.trace.delta is not None
    torch.testing.assert_close(bank.trace.delta, arrays["cache_after_active"], rtol=0, atol=2e-5)
    losses += [bank.loss(*second, fires=False), bank.loss(*second, fires=False)]
    assert bank.trace.age == arrays["age_after"]
    expected = ["loss_bank_active", "loss_inject_age0_batch2", "loss_inject_age1_batch2"]
    torch.testing.assert_close(torch.stack(losses), torch.stack([arrays[name] for name in expected]), rtol=0, atol=2e-5)
