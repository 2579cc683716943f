"""A sampled spec from its text to a module: every drawn number of loops is a mode, known and emitted ahead."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module

PARENT = Path(__file__).parents[2] / "err" / "parents" / "tiny.yaml"
SPEC = f"""
extends: {PARENT}
graph: [{{stage: trunk, blocks: core, loops: 3, loop_vector: {{}}}}]
cadence:
  - {{until: {{steps: 4}}, sample: {{stage: trunk, loops: [1, 3], distribution: poisson, mean: 2.0}}}}
  - {{pattern: [trunk_2, full]}}
activities: {{evaluate: trunk_2}}
"""


def test_every_number_of_loops_is_a_mode_of_the_plan_and_of_the_module(tmp_path: Path) -> None:
    path = tmp_path / "sampled.yaml"
    path.write_text(SPEC, encoding="utf-8")
    plan = load_plan(path)
    positions = {name: len(mode.positions) for name, mode in plan.modes.items() if "+" not in name}
    assert positions == {"full": 6, "single": 2, "trunk_1": 2, "trunk_2": 4}
    module, tokens = build_module(plan, 1), torch.arange(16).reshape(2, 8)
    losses = {mode: module(tokens, tokens, mode=mode).item() for mode in positions}
    assert losses["single"] == losses["trunk_1"]
    assert losses["trunk_1"] != losses["trunk_2"] != losses["full"]
    with pytest.raises((KeyError, ValueError), match="trunk_3"):
        module(tokens, tokens, mode="trunk_3")
