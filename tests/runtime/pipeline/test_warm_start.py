"""A start from other weights: nothing is lost where nothing differs, merges are exact, and what is missing is told."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from hypothesis import Phase, given
from hypothesis import strategies as st
from support.examples import examples
from support.probes import looped
from support.random_specs import specs
from support.small_specs import Plain, group, plan_of, small
from torch import Tensor

from loopspec.compiler.emit.interpret import interpret
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.analyse.errors import AnalysisError
from loopspec.runtime.analyse.ties import tie_candidates
from loopspec.runtime.analyse.ties_plan import plan_tie
from loopspec.runtime.pipeline.warm_start import WarmStartError, warm_start

MERGES = ("first", "mean", "influence")


def _weights(plan: Plan, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {store.name: torch.randn(store.shape, generator=generator) for store in plan.stores}


def _logits(plan: Plan, weights: dict[str, Tensor], mode: str) -> Tensor:
    tokens = torch.randint(0, 11, (2, 9), generator=torch.Generator().manual_seed(4))
    return interpret(plan, mode, weights, tokens[:, :-1], tokens[:, 1:]).logits


def _influence(plan: Plan) -> list[float]:
    return [0.1 + 0.3 * index for index in range(len(plan.modes["full"].positions))]


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("plain", [small(), looped()])
def test_a_spec_from_itself_loses_nothing(plain, merge):
    plan = plan_of(plain)
    weights = _weights(plan)
    started, notes = warm_start(plan, plan, weights, merge, _influence(plan))
    assert started.keys() == weights.keys()
    assert all(torch.equal(started[name], weights[name]) for name in weights)
    assert notes == []


@pytest.mark.parametrize("merge", MERGES)
def test_a_tied_spec_from_equal_copies_gives_the_same_logits(merge):
    """As bits, in every mode: positions that share already lose nothing."""
    untied = plan_of(looped(blocks={"flat": group(4), "crawler": looped()["blocks"]["crawler"]}))
    influences = {position.index: 0.1 for position in untied.positions}
    tie = next(item for item in tie_candidates(untied, influences, 3, contiguous=False) if item.blocks == (0, 1, 3))
    tied = plan_tie(untied, tie).plan
    weights = _weights(untied)
    for name in weights:
        for block in (1, 3):
            if name.startswith(f"blocks.flat.{block}."):
                weights[name] = weights[name.replace(f"flat.{block}.", "flat.0.")].clone()
    started, notes = warm_start(tied, untied, weights, merge, _influence(untied))
    assert started.keys() == {store.name for store in tied.stores}
    for mode in untied.modes:
        assert torch.equal(_logits(tied, started, mode), _logits(untied, weights, mode))
    assert f"merged: blocks.flat.0.attention.query: {merge} of 3 stores" in notes
    assert not any("init" in note for note in notes)
    # and the emitted module takes them
    module = build_module(tied)
    assert {name: value.shape for name, value in module.named_parameters()} == {
        name: value.shape for name, value in started.items()
    }


@given(specs(), st.sampled_from(MERGES), st.randoms(use_true_random=False))
@examples(3, phases=[Phase.explicit, Phase.generate])
def test_ties_of_any_spec_from_equal_copies(plain: Plain, merge, random):
    for blocks in plain["blocks"].values():
        blocks["residual"]["norm_scale"] = None  # by a position's place it would rightly differ
    plan = plan_of(plain)
    influences = {position.index: random.random() for position in plan.positions}
    for tie in islice(tie_candidates(plan, influences, 2, contiguous=False), 2):
        try:
            tied = plan_tie(plan, tie).plan
        except AnalysisError:  # the spec has problems of its own
            continue
        weights = _weights(plan)
        copied: dict[str, Tensor] = {}  # by what follows the block's number; a block may lack what others have
        for name in weights:
            for block in tie.blocks:
                prefix = f"blocks.{tie.group}.{block}."
                if name.startswith(prefix):
                    weights[name] = copied.setdefault(name.removeprefix(prefix), weights[name])
        started, _ = warm_start(tied, plan, weights, merge, _influence(plan))
        assert torch.equal(_logits(tied, started, "full"), _logits(plan, weights, "full"))


def _tied() -> tuple[Plan, Plan, dict[str, Tensor]]:
    """Blocks 0 and 2 of three as one, with numbers that tell the blocks apart."""
    untied = plan_of(small(blocks={"core": group(3)}))
    tied = plan_of(small(blocks={"core": group(2)}, graph=[{"stage": "trunk", "blocks": "core", "path": [0, 1, 0]}]))
    weights = _weights(untied)
    for block in range(3):
        weights[f"blocks.core.{block}.mlp.up"] = torch.full((32, 16), float(block + 1))
    return tied, untied, weights


@pytest.mark.parametrize(("merge", "value"), [("first", 1.0), ("mean", 2.0), ("influence", 2.5)])
def test_merges(merge, value):
    tied, untied, weights = _tied()
    started, _ = warm_start(tied, untied, weights, merge, [0.1, 5.0, 0.3])
    assert torch.equal(started["blocks.core.0.mlp.up"], torch.full((32, 16), value))
    assert torch.equal(started["blocks.core.1.mlp.up"], weights["blocks.core.1.mlp.up"])


def test_influences_that_are_all_nothing_weigh_alike():
    tied, untied, weights = _tied()
    started, _ = warm_start(tied, untied, weights, "influence", [0.0] * 3)
    assert started["blocks.core.0.mlp.up"].unique().tolist() == [2.0]


@pytest.mark.parametrize(
    ("influence", "message"),
    [
        (None, "one influence for each of the source's 3 positions, there are none"),
        ([0.1], "for each of the source's 3 positions, there are 1"),
        ([0.1, -1.0, 0.0], "negative or not finite"),
        ([0.1, float("nan"), 0.0], "negative or not finite"),
    ],
)
def test_influences_that_make_no_sense(influence, message):
    tied, untied, weights = _tied()
    with pytest.raises(WarmStartError, match=message):
        warm_start(tied, untied, weights, "influence", influence)


def test_untying_copies_to_every_place():
    tied, untied, _ = _tied()
    weights = _weights(tied)
    started, notes = warm_start(untied, tied, weights, "mean")
    assert torch.equal(_logits(untied, started, "full"), _logits(tied, weights, "full"))
    assert notes == []


def test_parts_become_private_and_shared_again():
    stage = {"stage": "trunk", "blocks": "core", "loops": 2}
    shared = plan_of(small(graph=[stage]))
    private = plan_of(small(graph=[{**stage, "private": {"mlp_scale": "all"}}]))
    weights = _weights(shared)
    started, _ = warm_start(private, shared, weights, "first")
    assert torch.equal(started["stages.trunk.mlp_scale.2"], weights["blocks.core.0.mlp_scale"])
    back, _ = warm_start(shared, private, started, "mean")
    assert all(torch.equal(back[name], weights[name]) for name in weights)


def test_what_the_source_has_not_keeps_its_own_init():
    plain = small()
    tall = plan_of({**plain, "graph": [{"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}}]})
    source = plan_of(plain)
    weights = _weights(source)
    started, notes = warm_start(tall, source, weights, "first")
    assert {store.name for store in tall.stores} - started.keys() == {
        "stages.trunk.loop_vector.0",
        "stages.trunk.loop_vector.1",
    }
    (note,) = (line for line in notes if "own init" in line)
    assert note == "kept at its own init: stages.trunk.loop_vector.0..1: the source has nothing in its place"
    del weights["blocks.core.0.mlp.up"]
    _, notes = warm_start(source, source, weights, "first")
    assert any("kept at its own init: blocks.core.0.mlp.up" in line for line in notes)


def test_what_is_not_used_is_told():
    wide, narrow = plan_of(small(blocks={"core": group(3)})), plan_of(small())
    _, notes = warm_start(narrow, wide, _weights(wide), "first")
    assert "unused of the source: blocks.core.2.mlp.up" in notes


def test_other_shapes_are_an_error():
    source = plan_of(small())
    plan = plan_of(small(blocks={"core": group(2, mlp={"ratio": 3})}))
    message = r"blocks.core.0.mlp.up has shape \(48, 16\), but blocks.core.0.mlp.up, .* has \(32, 16\)"
    with pytest.raises(WarmStartError, match=message):
        warm_start(plan, source, _weights(source), "first")
