"""Every step of the recorded traces, one for each call of a module, is a value of our graph."""

from __future__ import annotations

import pytest
import torch
from support.golden_systems import GOLDENS
from support.golden_traces import recorded_steps, value_of
from support.goldens import Golden, loaded

TOLERANCE = 2e-5  # of a step whose root mean square is at most 1, else in proportion: streams reach 224 before a norm
TRACED = [golden for golden in GOLDENS if any(run.trace for run in golden.runs)]


def test_no_recorded_step_is_left_out() -> None:
    counts = {}
    for golden in GOLDENS:
        mapped = [step.recorded for run in golden.runs if run.trace for step in recorded_steps(golden, run)]
        recorded = [name for name in golden.arrays if name.startswith("trace.")]
        assert len(mapped) == len(set(mapped)) and set(mapped) == set(recorded), golden.vectors
        counts[golden.vectors] = len(recorded)
    assert counts == {
        "pr498_frugendorff": 24,
        "pr498_frugendorff_ntk": 24,
        "crawler_run1_sequential": 28,
        "crawler_run1_sequential_ntk": 28,
        "crawler_run3_selfref": 30,
        "crawler_run8_pd_bidir": 31,
        "gs7_crawler_bank": 12,
        "pr857_tied": 13,
        "baseline": 11,
        "pr167_sub_shared": 10,
        "pr167_sub_shared_pls": 10,
        "pr167_exp": 12,
        "pr167_mlx_repeat_pls_deq": 0,
        "pr167_mlx_bounded": 0,
        "pr167_mlx_unshared": 0,
    }


@pytest.mark.parametrize("golden", TRACED, ids=lambda golden: golden.vectors)
def test_every_recorded_step_is_matched(golden: Golden) -> None:
    system = loaded(golden)
    for run in golden.runs:
        if run.trace is None:
            continue
        interpretation = system.interpret(run.mode)
        for step in recorded_steps(golden, run):
            value, recorded = value_of(step, system, interpretation), torch.from_numpy(golden.arrays[step.recorded])
            size = max(1.0, recorded.square().mean().sqrt().item())
            assert value.shape == recorded.shape, step
            difference = (value - recorded).abs().max().item()
            assert difference <= TOLERANCE * size, (step, difference)
        with torch.no_grad():  # what was traced is what the emitted module computes
            assert torch.equal(interpretation.logits, system.module(system.batch[0], mode=run.mode))


@pytest.mark.parametrize("golden", TRACED, ids=lambda golden: golden.vectors)
def test_blocks_run_in_the_recorded_order(golden: Golden) -> None:
    plan = loaded(golden).plan
    for run in golden.runs:
        if run.trace is not None:
            sites = plan.modes[run.mode].sites
            ours = [step.ours for step in recorded_steps(golden, run) if "#" in step.ours]
            assert ours == sorted(ours, key=sites.index)
