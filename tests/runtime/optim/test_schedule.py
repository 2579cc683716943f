"""Muon's momentum against the published runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loopspec.compiler.spec.optimizer import GroupOptimizer, MomentumWarmup
from loopspec.runtime.optim.schedule import momentum_at

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "schedules.json").read_text())["momentum"]


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: str(row["step"]))
def test_momentum_of_the_published_runs(row: dict[str, Any]) -> None:
    options = GroupOptimizer("muon", 0.025, 0.04, momentum=0.99, momentum_warmup=MomentumWarmup(0.92, 1500))
    assert momentum_at(options, row["step"]) == row["momentum"]


def test_constant_momentum() -> None:
    assert momentum_at(GroupOptimizer("muon", 0.1, 0.0, momentum=0.95), 0) == 0.95
    at_once = GroupOptimizer("muon", 0.1, 0.0, momentum=0.95, momentum_warmup=MomentumWarmup(0.5, 0))
    assert momentum_at(at_once, 0) == 0.95
