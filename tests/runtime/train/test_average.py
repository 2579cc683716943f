"""The moving average: what of the start is left in it, and exact restore."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loopspec.runtime.train.average import ExponentialAverage

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "schedules.json").read_text())["ema_residual_init_weight"]


@pytest.mark.parametrize("steps", ["612", "854", "1507"])
def test_initial_share_of_the_published_runs(steps: str) -> None:
    average = ExponentialAverage({"w": torch.ones(1)}, 0.997, debias=False)
    for _ in range(int(steps)):
        average.update({"w": torch.zeros(1)})
    assert average.weights()["w"].item() == pytest.approx(GOLDEN[steps], rel=1e-4)
    assert average.initial_share() == pytest.approx(GOLDEN[steps])


@settings(max_examples=30, deadline=None)
@given(decay=st.floats(0.0, 0.999), values=st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_debiased_is_the_weighted_mean_of_the_weights_after_steps(decay: float, values: list[float]) -> None:
    average = ExponentialAverage({"w": torch.full((1,), 1e6)}, decay, debias=True)
    for value in values:
        average.update({"w": torch.tensor([value])})
    shares = [decay ** (len(values) - 1 - index) for index in range(len(values))]
    expected = sum(share * value for share, value in zip(shares, values, strict=True)) / sum(shares)
    assert average.weights()["w"].item() == pytest.approx(expected, abs=2e-3)
    assert average.initial_share() == 0.0


@pytest.mark.parametrize("debias", [True, False])
def test_restore_goes_on_bit_for_bit(debias: bool) -> None:
    torch.manual_seed(0)
    start, steps = {"w": torch.randn(7)}, [{"w": torch.randn(7)} for _ in range(9)]
    straight = ExponentialAverage(start, 0.9, debias=debias)
    first, second = (ExponentialAverage(start, 0.9, debias=debias) for _ in range(2))
    for index, weights in enumerate(steps):
        straight.update(weights)
        (first if index < 4 else second).update(weights)
        if index == 3:
            second.load_state_dict(first.state_dict())
    assert torch.equal(straight.weights()["w"], second.weights()["w"])


def test_shadow_is_a_float32_copy() -> None:
    weight = torch.ones(3, dtype=torch.bfloat16)
    average = ExponentialAverage({"w": weight}, 0.5, debias=False)
    weight.zero_()
    assert torch.equal(average.weights()["w"], torch.ones(3))


def test_debiased_average_of_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match="no weights"):
        ExponentialAverage({"w": torch.ones(1)}, 0.9, debias=True).weights()
