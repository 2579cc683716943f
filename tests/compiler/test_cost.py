"""FLOPs and activation memory of the plan against what PyTorch does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.saved_tensors import kept_bytes
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module

SPECS = Path(__file__).parent.parent.parent / "specs"
SMALL = {
    "quickstart": [],
    "frugendorff-6x2": ["model.dim=160", "train.sequence_length=256", "train.batch_tokens=2048"],
    "micro-crawler": ["model.dim=160", "train.sequence_length=256", "train.batch_tokens=2048"],
    "tied-15l": ["model.dim=128", "train.sequence_length=256", "train.batch_tokens=2048"],
    "baseline-9l": ["model.dim=128", "train.sequence_length=256", "train.batch_tokens=2048"],
}


@pytest.mark.parametrize(("name", "sets"), SMALL.items())
def test_cost_matches_what_torch_counts(name: str, sets: list[str]) -> None:
    plan = load_plan(SPECS / f"{name}.yaml", sets)
    module = build_module(plan, seed=1)
    tokens = torch.randint(0, 1024, (2, 256))
    for mode in plan.modes.values():
        ratio = kept_bytes(module, tokens, mode.name) / (tokens.numel() * mode.cost.activation_bytes_per_token)
        assert 0.95 < ratio < 1.05, f"{name} {mode.name}: kept / planned = {ratio:.3f}"
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            module(tokens, mode=mode.name)
        # the counter sees the whole square of scores, the plan only its causal half
        dim, length = plan.spec.architecture.model.dim, tokens.size(1)
        planned = mode.cost.forward_flops_per_token + len(mode.positions) * 2 * dim * (length - 1)
        flops = counter.get_total_flops() / (tokens.numel() * planned)
        assert 0.97 < flops <= 1.0, f"{name} {mode.name}: counted / planned = {flops:.3f}"


@pytest.mark.parametrize("name", ["quickstart", "micro-crawler-run8", "quickstart-recipe"])
def test_flops_of_another_length_are_those_of_a_spec_with_it(name: str) -> None:
    plan = load_plan(SPECS / f"{name}.yaml")
    length = plan.spec.train.sequence_length // 2
    shorter = load_plan(
        SPECS / f"{name}.yaml", [f"train.sequence_length={length}", f"evaluate.sequence_length={length}"]
    )
    for mode, planned in plan.modes.items():
        cost = shorter.modes[mode].cost
        assert planned.cost.flops_per_token(length) == (cost.forward_flops_per_token, cost.backward_flops_per_token)
        assert planned.cost.flops_per_token(length) < planned.cost.flops_per_token(2 * length)
