"""The interpreter of graphs: it needs no emitted source, and the emitted module computes the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.golden_text import PLANS
from support.small_specs import group, plan_of, small
from torch import Tensor, nn

from loopspec.compiler import load_plan
from loopspec.compiler.emit.interpret import interpret
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.graph.model import Port
from loopspec.compiler.modules import cross_entropy, project_logits, rms_norm
from loopspec.compiler.plan import Plan

TOKENS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
TARGETS = torch.tensor([[2, 3, 4, 5], [6, 7, 8, 9]])
AWAKE = {"outputs": {"kind": "normal", "std": 0.3}}
GATED = {"kind": "parallel", "combine": {"kind": "ema_gate", "decay": 0.5}}


def built(**sections: Any) -> tuple[Plan, nn.Module, dict[str, Tensor]]:
    plan = plan_of(small(**sections))
    module = build_module(plan, seed=1)
    return plan, module, {name: value.detach() for name, value in module.named_parameters()}


def test_zero_branches_leave_the_embedding() -> None:
    plan, _, weights = built(
        model={"vocab_size": 11, "dim": 16, "input": [], "head": {"softcap": None}},
        blocks={"core": group(2, init={"outputs": {"kind": "zero"}})},
    )
    run = interpret(plan, "full", weights, TOKENS, TARGETS)
    table = weights["token_embedding.weight"]
    expected = project_logits(rms_norm(table[TOKENS]), table)
    assert torch.equal(run.logits, expected)
    assert torch.equal(run.loss, cross_entropy(expected, TARGETS))
    assert torch.equal(run.values[Port("tokens")], TOKENS) and not run.changes and not run.states


def test_each_site_may_read_a_copy_of_its_own() -> None:
    plan, module, weights = built(
        blocks={"core": group(2, init=AWAKE)}, graph=[{"stage": "trunk", "blocks": "core", "loops": 2}]
    )
    copies: dict[tuple[str, str], Tensor] = {}

    def copy(site: str, slot: str, store: str) -> Tensor:
        copies[site, store] = weights[store].clone().requires_grad_()
        return copies[site, store]

    interpret(plan, "full", copy, TOKENS, TARGETS).loss.backward()
    module(TOKENS, TARGETS).backward()
    name = "blocks.core.0.mlp.up"
    parts = [value.grad for (site, store), value in copies.items() if store == name]
    assert len(parts) == 2 and all(part is not None for part in parts)
    torch.testing.assert_close(
        sum(part for part in parts if part is not None), dict(module.named_parameters())[name].grad
    )


@pytest.mark.parametrize("stop_below", [1e-6, 0.5, 5.0])
@pytest.mark.parametrize("kind", ["sequential", "parallel", "bounded"])
@pytest.mark.parametrize("x0_mix", [True, False])
def test_cycles_that_stop_hand_on_the_stream_of_the_last_that_ran(kind: str, x0_mix: bool, stop_below: float) -> None:
    residual = {"arrangement": {"kind": kind}, "x0_mix": x0_mix and kind != "bounded", "branch_scale": False}
    extra = {"times": 3, "blocks": [0], "stop_below": stop_below}
    plan, module, weights = built(
        blocks={"core": group(1, residual=residual, init=AWAKE)}, modes={"deep": {"trunk": {"extra": extra}}}
    )
    run = interpret(plan, "deep", weights, TOKENS, TARGETS)
    assert torch.equal(module.eval()(TOKENS, mode="deep"), run.logits)
    assert [change.item() for change in run.changes] == [change.item() for change in module.changes]
    below = [change.item() < stop_below for change in run.changes]
    assert not any(below[:-1]) and (len(below) == 3 or below[-1])
    assert len(below) == {1e-6: 3, 5.0: 1}.get(stop_below, len(below))


@pytest.mark.parametrize("stop_below", [1e-6, 0.5, 5.0])
def test_cycles_that_another_mode_runs_to_the_end_stop_all_the_same(stop_below: float) -> None:
    cycles = {"times": 3, "blocks": [0]}
    deep = {"trunk": {"extra": {**cycles, "stop_below": stop_below}}}
    blocks = {"core": group(1, init=AWAKE)}
    _, alone, weights = built(blocks=blocks, modes={"deep": deep})
    plan, module, _ = built(blocks=blocks, modes={"steady": {"trunk": {"extra": cycles}}, "deep": deep})
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(weights[name])
    assert torch.equal(module.eval()(TOKENS, mode="deep"), alone.eval()(TOKENS, mode="deep"))
    assert torch.equal(torch.stack(module.changes), torch.stack(alone.changes))
    assert len(interpret(plan, "deep", weights, TOKENS, TARGETS).changes) == len(alone.changes)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("always", [True, False])
def test_an_average_is_updated_in_training_or_always(training: bool, always: bool) -> None:
    combine = GATED["combine"] | {"update_in_evaluation": always, "dtype": "bfloat16"}
    plan, module, weights = built(
        blocks={"core": group(1, init=AWAKE)},
        graph=[{"stage": "trunk", "blocks": "core", "loops": 2, "firing": {**GATED, "combine": combine}}],
    )
    run = interpret(plan, "full", weights, TOKENS, TARGETS, training=training)
    module.train(training)(TOKENS, TARGETS)
    average = run.states["stages.trunk.average"]
    assert average.dtype == torch.bfloat16 and bool(average.any()) is (training or always)
    assert torch.equal(average, dict(module.named_buffers())["stages.trunk.average"])
    blend = run.values[Port("trunk/combine/blend")]
    expected = 0.5 * blend.detach().mean(dim=(0, 1)).bfloat16() if training or always else torch.zeros(16)
    torch.testing.assert_close(average.float(), expected.float())
    states = {name: value.clone() for name, value in run.states.items()}
    before = {name: value.clone() for name, value in states.items()}
    interpret(plan, "full", weights, TOKENS, TARGETS, training=training, states=states)
    assert all(torch.equal(value, before[name]) for name, value in states.items())  # what was given stays as it was


def test_a_trace_goes_on_from_mode_to_mode() -> None:
    plan, module, weights = built(
        blocks={"core": group(2, init=AWAKE)},
        graph=[
            {"stage": "trunk", "blocks": "core"},
            {"stage": "bank", "blocks": "core", "inside": "trunk", "loops": 2, "skip_trace": {}},
        ],
        modes={"away": {"bank": {"loops": 0}}},
    )
    name, states = "stages.bank.trace.delta", {}
    for mode, age in (("away", None), ("full", 0), ("away", 1), ("away", 2)):
        run = interpret(plan, mode, weights, TOKENS, TARGETS, training=True, states=states)
        assert torch.equal(module.train()(TOKENS, TARGETS, mode=mode), run.loss)
        states = run.states
        assert (None if name not in states else int(states[name][1])) == age


def test_losses_of_training_are_part_of_the_loss_in_training_alone() -> None:
    auxiliary = {"kind": "fixed", "weights": [0.25]}
    plan, module, weights = built(
        model={"vocab_size": 11, "dim": 16, "multi_token": {"heads": 2, "weight": 0.5}},
        blocks={"core": group(1, init=AWAKE)},
        graph=[{"stage": "trunk", "blocks": "core", "loops": 2, "auxiliary_loss": auxiliary}],
    )
    trained = interpret(plan, "full", weights, TOKENS, TARGETS, training=True)
    parts = ["output/loss", "trunk/loop.0/auxiliary_loss", "output/multi_token.0", "output/multi_token.1"]
    expected = sum(w * trained.values[Port(site)] for w, site in zip((1, 0.25, 0.25, 0.25), parts, strict=True))
    torch.testing.assert_close(trained.loss, expected)
    assert torch.equal(module.train()(TOKENS, TARGETS), trained.loss)
    scored = interpret(plan, "full", weights, TOKENS, TARGETS)
    assert torch.equal(scored.loss, trained.values[Port("output/loss")])
    assert torch.equal(module.eval()(TOKENS, TARGETS), scored.loss)


@pytest.mark.parametrize("name", ["looped", "tied", "varied"])
@pytest.mark.parametrize("training", [True, False])
def test_the_goldens_compute_what_their_graphs_say(name: str, training: bool) -> None:
    plan = load_plan(PLANS / f"{name}.yaml")
    module = build_module(plan, seed=1).train(training)
    with torch.no_grad():  # away from the start, where branches are zero
        for number, parameter in enumerate(module.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
    weights = {name: value.detach() for name, value in module.named_parameters()}
    states: dict[str, Any] = {}
    for mode in plan.modes:
        run = interpret(plan, mode, weights, TOKENS, TARGETS, training=training, states=states)
        with torch.no_grad():  # the last bit of a product of slices may depend on where they lie in memory
            torch.testing.assert_close(module(TOKENS, TARGETS, mode=mode), run.loss, rtol=1e-6, atol=0)
        states = run.states
