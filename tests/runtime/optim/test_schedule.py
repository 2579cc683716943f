"""Schedules against the published runs in iteration mode."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.compiler.spec.optimizer import GroupOptimizer, MomentumWarmup
from loopspec.compiler.spec.train import Schedule
from loopspec.runtime.optim.schedule import lr_scale, momentum_at

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "schedules.json").read_text())
ITERATION_MODE = [row for row in GOLDEN["lr_mul"] if row["max_wallclock_ms"] is None]
PEER_STEPS = 20_000  # iterations of those runs


def test_golden_is_not_empty() -> None:
    assert len(ITERATION_MODE) == 52


@pytest.mark.parametrize("row", ITERATION_MODE, ids=lambda row: f"{row['peer']}-{row['step']}")
def test_lr_scale_of_the_published_runs(row: dict[str, float]) -> None:
    schedule = Schedule(warmdown_steps=int(row["warmdown_iters"]))
    assert lr_scale(schedule, PEER_STEPS, int(row["step"])) == pytest.approx(row["scale"], abs=1e-15)


@pytest.mark.parametrize("row", GOLDEN["momentum"], ids=lambda row: str(row["step"]))
def test_momentum_of_the_published_runs(row: dict[str, float]) -> None:
    options = GroupOptimizer("muon", 0.025, 0.04, momentum=0.99, momentum_warmup=MomentumWarmup(0.92, 1500))
    assert momentum_at(options, int(row["step"])) == row["momentum"]


def test_constant_momentum() -> None:
    assert momentum_at(GroupOptimizer("muon", 0.1, 0.0, momentum=0.95), 0) == 0.95


def test_warmup_hold_warmdown() -> None:
    schedule = Schedule(warmup_steps=4, warmdown_steps=5, floor=0.1)
    scales = [lr_scale(schedule, 20, step) for step in range(21)]
    assert scales[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert scales[15:] == pytest.approx([1.0, 0.82, 0.64, 0.46, 0.28, 0.1])


@given(up=st.integers(0, 30), down=st.integers(0, 30), floor=st.floats(0, 1), total=st.integers(1, 40), data=st.data())
def test_scale_stays_in_range_and_bends_once(up: int, down: int, floor: float, total: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, total - 1))
    schedule = Schedule(up, down, floor)
    here, after = lr_scale(schedule, total, step), lr_scale(schedule, total, step + 1)
    assert 0.0 <= here <= 1.0 + 1e-12
    if step >= up and step >= total - down:
        assert after <= here + 1e-12
    if step + 1 < up and step + 1 <= total - down:
        assert after >= here
