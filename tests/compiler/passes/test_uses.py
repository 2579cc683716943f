"""Which modes read a store, and in which a gradient reaches it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from support.examples import examples
from support.random_specs import specs
from support.small_specs import draft_of, group, plan_of, small

from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan

AWAKE = {"outputs": {"kind": "normal", "std": 0.3}}
TOKENS = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])


def gradients(plan: Plan, mode: str) -> set[str]:
    """Stores that a training step of the emitted module gives a gradient."""
    module = build_module(plan, seed=1).train()
    module(TOKENS, TOKENS.flip(1), mode=mode).backward()
    return {name for name, value in module.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_a_gradient_stops_before_the_loops_that_are_not_backpropagated(keep: int) -> None:
    stage = {"stage": "trunk", "blocks": "core", "loops": 3, "loop_vector": {}, "backpropagate_loops": keep}
    before = {"stage": "before", "blocks": "first"}
    blocks = {
        "first": group(1, residual={"x0_mix": False}, init=AWAKE),
        "core": group(1, residual={"x0_mix": False}, init=AWAKE),
    }
    plan = plan_of(small(blocks=blocks, graph=[before, stage]))
    reached = {store.name: store.gradient_modes for store in plan.stores}
    for loop in range(3):
        in_full = ("full",) if loop >= 3 - keep else ()
        assert reached[f"stages.trunk.loop_vector.{loop}"] == in_full + (("single",) if loop == 0 else ())
    assert reached["blocks.core.0.mlp.up"] == ("full", "single")  # read by the last loop, too
    assert reached["blocks.first.0.mlp.up"] == (("full", "single") if keep == 3 else ("single",))
    assert reached["token_embedding.weight"] == ("full", "single")  # by the head
    modes = {store.name: store.modes for store in plan.stores}
    assert modes["stages.trunk.loop_vector.0"] == ("full", "single")  # read, though without a gradient
    for mode in plan.modes:
        assert gradients(plan, mode) == {name for name, found in reached.items() if mode in found}


@pytest.mark.parametrize("way", [{"value_residual": {}}, {"skips": {"kind": "unet", "scope": "path"}}])
def test_nothing_that_a_later_loop_reads_of_one_before_the_cut_has_a_gradient(way: dict[str, Any]) -> None:
    own = {"attention": {"positions": [0], "loops": [0]}}
    stage = {"stage": "trunk", "blocks": "core", "loops": 2, "backpropagate_loops": 1, "private": own, **way}
    plan = plan_of(small(blocks={"core": group(2, init=AWAKE)}, graph=[stage]))
    reached = {store.name: store.gradient_modes for store in plan.stores}
    assert reached["stages.trunk.attention.0.value"] == ("single",)
    for mode in plan.modes:
        assert gradients(plan, mode) == {name for name, found in reached.items() if mode in found}


def test_an_auxiliary_loss_reaches_what_is_before_a_cut() -> None:
    auxiliary = {"kind": "fixed", "weights": [0.5]}
    stage = {"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}, "backpropagate_loops": 1}
    without = draft_of(small(graph=[stage]), "uses").uses["stages.trunk.loop_vector.0"]
    with_loss = draft_of(small(graph=[{**stage, "auxiliary_loss": auxiliary}]), "uses").uses[
        "stages.trunk.loop_vector.0"
    ]
    assert without.gradient_modes == ("single",) and with_loss.gradient_modes == ("full", "single")


def test_what_only_the_losses_of_training_read_counts_as_read() -> None:
    plain = small(
        model={"vocab_size": 11, "dim": 16, "multi_token": {"heads": 1}},
        graph=[{"stage": "trunk", "blocks": "core", "loops": 2, "auxiliary_loss": {"kind": "learned"}}],
    )
    uses = draft_of(plain, "uses").uses
    assert uses["multi_token_head.0"].modes == uses["multi_token_head.0"].gradient_modes == ("full", "single")
    assert uses["stages.trunk.loss_weight"].modes == ("full",)
    assert uses["token_embedding.weight"].sites == 3  # as embedding, head, and head after the first loop


@given(specs())
@examples(8, derandomize=True)
def test_gradient_modes_are_those_of_the_emitted_module(plain: dict[str, Any]) -> None:
    plan = plan_of(plain)
    for mode in plan.modes:
        assert gradients(plan, mode) == {store.name for store in plan.stores if mode in store.gradient_modes}
