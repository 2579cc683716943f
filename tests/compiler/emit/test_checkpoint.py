"""Activation checkpointing: less is kept, as the plan says, and nothing that is computed changes by a bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given
from support.examples import examples
from support.random_specs import specs
from support.saved_tensors import kept_bytes
from support.small_specs import group, plan_of, small
from torch import Tensor, nn

from loopspec.compiler import load_plan
from loopspec.compiler.emit.compiled import compile_modes
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.emit.source import emit_source
from loopspec.compiler.plan import Plan

Plain = dict[str, Any]
SPECS = Path(__file__).parents[3] / "specs"
NARROW = ["model.dim=160", "train.sequence_length=256", "train.batch_tokens=2048"]
STAGES: dict[str, Plain] = {
    "sequential": {"skips": {"kind": "unet", "scope": "path", "gated": True}, "between": {"kind": "rms_norm"}},
    "truncated": {
        "backpropagate_loops": 1,
        "skips": {"kind": "unet", "scope": "path"},
        "value_residual": {"init": 0.4, "at": [1]},
    },
    "lanes": {"lanes": {"start": 1}, "auxiliary_loss": {"kind": "fixed", "weights": [0.3]}},
    "mean": {"firing": {"kind": "parallel", "combine": {"kind": "mean"}}},
    "self_gate": {"firing": {"kind": "parallel", "combine": {"kind": "self_gate", "scale": 0.5}}},
    "ema_gate": {"firing": {"kind": "parallel", "combine": {"kind": "ema_gate", "scale": 0.5}}},
    "reference_gate": {"firing": {"kind": "parallel", "combine": {"kind": "reference_gate", "scale": 0.5}}},
    "skip_trace": {"skip_trace": {"inject": 0.3}},
}


def document(checkpointed: bool, **stage: Any) -> Plain:
    """Two loops of two blocks that are awake."""
    awake = {"outputs": {"kind": "normal", "std": 0.2}}
    trunk = {"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}, "checkpoint_activations": checkpointed}
    return small(
        model={"vocab_size": 11, "dim": 16, "multi_token": {"heads": 1}},
        blocks={"core": group(2, init=awake)},
        graph=[trunk | stage],
        modes={"off": {"trunk": {"loops": 0}}} if "skip_trace" in stage else {},
    )


def plans(plain: Plain) -> tuple[Plan, Plan]:
    """The plan without any checkpointing, and with it in every stage."""
    with_it = [{**stage, "checkpoint_activations": True} for stage in plain["graph"]]
    without = [{**stage, "checkpoint_activations": False} for stage in plain["graph"]]
    return plan_of({**plain, "graph": without}), plan_of({**plain, "graph": with_it})


def train_both(plain: Plain) -> None:
    """Two passes in each mode, forward and backward: losses, gradients and states are the same bits."""
    tokens = torch.randint(0, 11, (2, 8), generator=torch.Generator().manual_seed(2))
    modules = [build_module(plan, seed=1).train() for plan in plans(plain)]
    for mode in (*modules[0].modes, *modules[0].modes):  # type: ignore[misc]
        losses = [module(tokens, tokens.roll(1, 1), mode=mode) for module in modules]
        assert torch.equal(*losses)
        for module, loss in zip(modules, losses, strict=True):
            module.zero_grad()
            loss.backward()
        for (name, one), other in zip(modules[0].named_parameters(), modules[1].parameters(), strict=True):
            assert (one.grad is None) == (other.grad is None), name
            assert one.grad is None or torch.equal(one.grad, other.grad), f"{name} in {mode}"  # type: ignore[arg-type]
        for (name, state), again in zip(modules[0].named_buffers(), modules[1].buffers(), strict=True):
            assert torch.equal(state, again), name
        with torch.no_grad():
            assert torch.equal(*(module(tokens, mode=mode) for module in modules))


@pytest.mark.parametrize("name", STAGES)
def test_losses_gradients_and_states_are_the_same_bits(name: str) -> None:
    train_both(document(True, **STAGES[name]))


@given(specs())
@examples(5, derandomize=True, suppress_health_check=list(HealthCheck))
def test_random_models_train_the_same(plain: Plain) -> None:
    train_both(plain)


@pytest.mark.parametrize(
    ("name", "stages"),
    [("frugendorff-6x2", 1), ("micro-crawler-run8", 2), ("tied-15l", 1), ("baseline-9l", 1), ("quickstart", 1)],
)
def test_the_plan_counts_what_autograd_keeps(name: str, stages: int) -> None:
    sets = [] if name == "quickstart" else [*NARROW, "model.embedding.dtype=float32"]  # whose cast the head would keep
    if name in ("tied-15l", "baseline-9l"):
        sets[0] = "model.dim=128"
    whole = load_plan(SPECS / f"{name}.yaml", sets)
    plan = load_plan(
        SPECS / f"{name}.yaml", [*sets, *(f"graph.{i}.checkpoint_activations=true" for i in range(stages))]
    )
    module = build_module(plan, seed=1)
    tokens = torch.randint(0, 1024, (2, 256))
    for mode in plan.modes.values():
        ratio = kept_bytes(module, tokens, mode.name) / (tokens.numel() * mode.cost.activation_bytes_per_token)
        assert 0.98 < ratio < 1.02, f"{name} {mode.name}: kept / planned = {ratio:.3f}"
        before = whole.modes[mode.name].cost
        assert mode.cost.activation_bytes_per_token < 0.5 * before.activation_bytes_per_token
        assert mode.cost.forward_flops_per_token == before.forward_flops_per_token
        again = mode.cost.backward_flops_per_token - before.backward_flops_per_token
        assert 0 < again < mode.cost.forward_flops_per_token


def test_each_position_of_the_stage_is_a_function_and_no_other() -> None:
    plain = document(True)
    plain["graph"].append({"stage": "tail", "blocks": "core"})
    plan = plan_of(plain)
    source = emit_source(plan)
    assert [number for number in range(6) if f"def position_{number}(" in source] == [0, 1, 2, 3]
    assert [number for number in range(6) if "checkpointed" in plan.positions[number].features] == [0, 1, 2, 3]


@pytest.mark.torture  # compiles for a minute; test_compile has a smaller one
@pytest.mark.parametrize("name", ["sequential", "ema_gate", "truncated"])
def test_it_compiles_as_one_graph(name: str) -> None:
    torch._dynamo.reset()
    plan = plan_of(document(True, **STAGES[name]))
    tokens = torch.arange(16).reshape(2, 8) % 11
    module, compiled = (build_module(plan, seed=1).train() for _ in range(2))
    forward = compile_modes(compiled, plan, backend="aot_eager", dynamic=False)
    for mode in plan.modes:
        losses = (module(tokens, tokens, mode=mode), forward(tokens, tokens, mode=mode))
        torch.testing.assert_close(*losses, rtol=1e-6, atol=1e-6)
        for each, loss in zip((module, compiled), losses, strict=True):
            each.zero_grad()
            loss.backward()
        pairs = zip(module.parameters(), compiled.parameters(), strict=True)
        for one, other in pairs:
            if one.grad is not None:
                torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-7)


class Doubled:
    """Twice the weights of every MLP while it is open, as a step on rounded weights puts in others."""

    def __init__(self, module: nn.Module) -> None:
        self.layers = [layer for name, layer in module.named_modules() if name.endswith(".mlp")]
        self.own: list[Tensor] = []

    def __enter__(self) -> None:
        self.own = [layer._parameters["up"] for layer in self.layers]
        for layer, weight in zip(self.layers, self.own, strict=True):
            layer._parameters["up"] = 2 * weight

    def __exit__(self, *_: object) -> None:
        for layer, weight in zip(self.layers, self.own, strict=True):
            layer._parameters["up"] = weight


def test_weights_put_in_for_a_step_must_stay_until_its_backward_pass_is_over() -> None:
    tokens = torch.arange(16).reshape(2, 8) % 11
    gradients = []
    for plan in plans(document(True)):
        module = build_module(plan, seed=1).train()
        with Doubled(module):
            module(tokens, tokens).backward()
        gradients.append([parameter.grad for parameter in module.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
