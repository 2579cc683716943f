"""Averages of the weights: what of the start is left in them, which steps they take, and exact restore."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from tiny_run import STORES, make_plan, make_train

from loopspec.compiler.spec.averaging import first_step, starting_share, update_count
from loopspec.compiler.spec.clock import Stop
from loopspec.compiler.spec.quantization import Match
from loopspec.compiler.spec.train import Average, DecayRule, Schedule, Start
from loopspec.runtime.train.average import ExponentialAverage, Shadow, SnapshotMean, loaded_average

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "schedules.json").read_text())["ema_residual_init_weight"]


@pytest.mark.parametrize("steps", ["612", "854", "1507"])
def test_initial_share_of_the_published_runs(steps: str) -> None:
    average = ExponentialAverage({"w": torch.ones(1)}, 0.997, debias=False)
    for step in range(1, int(steps) + 1):
        average.update({"w": torch.zeros(1)}, step)
    assert average.weights()["w"].item() == pytest.approx(GOLDEN[steps], rel=1e-4)
    planned = Average("ema", 0.997, debias=False, start_step=0)
    assert starting_share(planned, make_train(int(steps))) == pytest.approx(GOLDEN[steps])


@examples(30)
@given(
    decay=st.floats(0.0, 0.999),
    values=st.lists(st.floats(-5, 5), min_size=1, max_size=30),
    start_step=st.integers(0, 8),
)
def test_debiased_is_the_weighted_mean_of_the_weights_after_steps(
    decay: float, values: list[float], start_step: int
) -> None:
    average = ExponentialAverage({"w": torch.full((1,), 1e6)}, decay, debias=True, start_step=start_step)
    for step, value in enumerate([-77.0] * start_step + values, start=1):
        average.update({"w": torch.tensor([value])}, step)
    shares = [decay ** (len(values) - 1 - index) for index in range(len(values))]
    expected = sum(share * value for share, value in zip(shares, values, strict=True)) / sum(shares)
    assert average.weights()["w"].item() == pytest.approx(expected, abs=2e-3)


def test_a_late_average_that_is_not_debiased_starts_from_the_weights_of_its_step() -> None:
    average = ExponentialAverage({"w": torch.full((1,), 1e6)}, 0.75, debias=False, start_step=2)
    for step, value in enumerate([8.0, 4.0, 0.0, 0.0], start=1):
        average.update({"w": torch.tensor([value])}, step)
    assert average.weights()["w"].item() == 4.0 * 0.75**2


@examples(50)
@given(
    values=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=40),
    every=st.integers(1, 5),
    first=st.integers(0, 40),
)
def test_snapshots_are_a_plain_mean_of_the_steps_that_the_plan_counts(
    values: list[float], every: int, first: int
) -> None:
    mean = SnapshotMean({"w": torch.full((1,), 1e6)}, every=every)
    for step, value in enumerate(values, start=1):
        mean.update({"w": torch.tensor([value])}, step, first if step > first else None)
    taken = [value for step, value in enumerate(values) if step >= first and (step + 1) % every == 0]
    planned = Average("swa", every=every, start=Start(step=first))
    assert mean.updates == len(taken) == update_count(planned, replace(make_train(), stop=Stop(steps=len(values))))
    if taken:
        assert mean.weights()["w"].item() == pytest.approx(sum(taken) / len(taken), abs=1e-5)


def test_the_snapshots_of_the_published_schedule() -> None:
    """From a multiplier below 0.2 on, every 50 steps: step 3,700 of 4,400 with a warm-down of 3,500 is the first."""
    planned = Average("swa", every=50, start=Start(lr_scale=0.2))
    train = make_train(4400, schedule=Schedule(warmdown_steps=3500), averages={"swa": planned}, load="swa")
    average = loaded_average(make_plan(train), {"w": torch.zeros(1)})
    assert isinstance(average, SnapshotMean)
    assert average.every == 50
    assert first_step(planned.start, train) == 3701  # at 3,700 the multiplier is 0.2 exactly
    assert update_count(planned, train) == 14  # after steps 3,750, 3,800, ... 4,400


RULES: dict[str, Callable[[dict[str, torch.Tensor]], Shadow]] = {
    "debiased": lambda start: ExponentialAverage(start, 0.9, debias=True),
    "biased": lambda start: ExponentialAverage(start, 0.9, debias=False),
    "late": lambda start: ExponentialAverage(start, 0.9, debias=False, start_step=4),
    "snapshots": lambda start: SnapshotMean(start, every=2),
}


@pytest.mark.parametrize("rule", RULES)
def test_restore_goes_on_bit_for_bit(rule: str) -> None:
    torch.manual_seed(0)
    start, steps = {"w": torch.randn(7)}, [{"w": torch.randn(7)} for _ in range(9)]
    straight, first, second = (RULES[rule](start) for _ in range(3))
    for index, weights in enumerate(steps):
        straight.update(weights, index + 1, 1)
        (first if index < 4 else second).update(weights, index + 1, 1)
        if index == 3:
            second.load_state_dict(first.state_dict())
    assert torch.equal(straight.weights()["w"], second.weights()["w"])


def test_shadow_is_a_float32_copy() -> None:
    weight = torch.ones(3, dtype=torch.bfloat16)
    average = ExponentialAverage({"w": weight}, 0.5, debias=False)
    weight.copy_(torch.full((3,), 3.0))
    average.update({"w": weight}, 1)
    assert torch.equal(average.weights()["w"], torch.full((3,), 2.0))


def test_average_of_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match="no weights"):
        ExponentialAverage({"w": torch.ones(1)}, 0.9, debias=True).weights()


def test_no_average_is_loaded() -> None:
    assert loaded_average(make_plan(make_train(averages={}, load="last")), {}) is None


def test_the_first_rule_that_takes_a_store_gives_its_decay() -> None:
    rules = (DecayRule(Match(name="he*"), 0.5), DecayRule(Match(group="head"), 0.1), DecayRule(Match(ndim=1), 0.0))
    options = Average("ema", 0.9, debias=True, start_step=0, decays=rules)
    plan = make_plan(make_train(averages={"ema": options}))
    start = {name: torch.zeros(shape) for name, shape, *_ in STORES}
    average = loaded_average(plan, start)
    assert average is not None
    average.update({name: torch.full_like(weight, 4.0) for name, weight in start.items()}, 1, None)
    average.update(start, 2, None)
    shares = {name: weight.flatten()[0].item() / 4.0 for name, weight in average.weights().items()}
    # 4, then 0, debiased: decay (1 - decay) / (1 - decay^2)
    decays = {"head": 0.5, "gain": 0.0}
    for name, share in shares.items():
        decay = decays.get(name, 0.9)
        assert share == pytest.approx(decay * (1 - decay) / (1 - decay**2), rel=1e-6), name
