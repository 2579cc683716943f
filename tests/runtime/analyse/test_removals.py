"""A model without a feature is the model of the spec that does not have it."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from support.probes import gated, looped
from support.small_specs import Plain, group, plan_of

from loopspec.compiler.emit.interpret import interpret
from loopspec.compiler.emit.loader import build_module
from loopspec.runtime.analyse.ablation import Ablation, removals_of
from loopspec.runtime.analyse.removals import removals

TOKENS = torch.randint(0, 11, (2, 9), generator=torch.Generator().manual_seed(2))
BATCH = TOKENS[:, :-1], TOKENS[:, 1:]


def _weights(plan) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    module = build_module(plan, seed=3)
    return {
        name: value.detach() + 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in module.named_parameters()
    }


def _without(plain: Plain, name: str) -> torch.Tensor:
    """Logits of mode full with one feature removed."""
    plan = plan_of(plain)
    (removal,) = (item for item in removals(plan, "full") if item.feature == name)
    weights = _weights(plan)

    def store(site: str, slot: str, name: str) -> torch.Tensor:
        return weights[name] * (0 if (site, slot) in removal.zeroed else 1)

    return interpret(plan, "full", store, *BATCH, stand_ins=removal.stand_ins).logits


def _of(plain: Plain, like: Plain, mode: str = "full") -> torch.Tensor:
    """Logits of another spec with the weights of `like`."""
    return interpret(plan_of(plain), mode, _weights(plan_of(like)), *BATCH).logits


def _edited(plain: Plain, *path: str | int) -> Plain:
    """Without the key at `path`."""
    changed = deepcopy(plain)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return changed


@pytest.mark.parametrize(
    ("feature", "path"),
    [
        ("ngram_hash_2", ("model", "input", 0)),
        ("smear_gate", ("model", "input", 1)),
        ("skip", ("graph", 0, "skips")),
        ("loop_vector", ("graph", 1, "loop_vector")),
        ("value_embedding", ("blocks", "crawler", "value_embedding")),
        ("xsa", ("blocks", "crawler", "attention", "xsa")),
    ],
)
def test_removing_is_not_having(feature, path):
    plain = looped()
    without = _without(plain, feature)
    assert torch.equal(without, _of(_edited(plain, *path), plain))
    assert not torch.equal(without, _of(plain, plain))


def test_without_later_loops_it_is_the_mode_single():
    plain = looped(graph=[looped()["graph"][1]], blocks={"crawler": looped()["blocks"]["crawler"]})
    without = _without(plain, "loops after the first")
    assert torch.equal(without, _of(plain, plain, "single")) and not torch.equal(without, _of(plain, plain))


@pytest.mark.parametrize("kind", ["mean", "self_gate", "reference_gate"])
def test_without_later_firings_it_is_the_mode_single(kind):
    plain = gated(kind)
    without = _without(plain, "firings after the first")
    torch.testing.assert_close(without, _of(plain, plain, "single"))
    assert not torch.allclose(without, _of(plain, plain))


def test_without_the_gate_the_last_firing_counts():
    plain = gated("self_gate")
    weights = _weights(plan_of(plain)) | {"stages.crawler.gate_scale": torch.zeros(())}
    assert torch.equal(_without(plain, "firing gate"), interpret(plan_of(plain), "full", weights, *BATCH).logits)


def test_further_features_of_a_stage():
    where = {"positions": [1]}
    stage = {
        "stage": "trunk",
        "blocks": "crawler",
        "loops": 2,
        "position_vector": {"at": "all"},
        "between": {"kind": "rms_norm"},
        "delta": {"rank": 2, "matrices": ["attention.query", "mlp.up"], "at": where},
        "value_residual": {"at": where},
        "refire": {"mlp": where},
    }
    plain = looped(graph=[stage], blocks={"crawler": group(2)}, cadence=[{"pattern": ["full"]}])
    whole = _of(plain, plain)
    for feature, key in [
        ("position_vector", "position_vector"),
        ("between", "between"),
        ("delta", "delta"),
        ("value_residual", "value_residual"),
        ("mlp_twice", "refire"),
    ]:
        without = _without(plain, feature)
        assert torch.equal(without, _of(_edited(plain, "graph", 0, key), plain)), feature
        assert not torch.equal(without, whole), feature


def test_a_feature_of_another_mode_is_removed_there():
    modes = {"short": {"trunk": {"loops": 1, "without": ["loop_vector"]}}}
    stage = {"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}}
    plan = plan_of(looped(graph=[stage], blocks={"core": group(1)}, modes=modes))
    found = {item.feature: item.mode for item in removals_of(plan, ("short", "full"))}
    assert found["loop_vector"] == "full" and found["x0_mix"] == "short"


def test_nothing_changes_without_a_change():
    plan = plan_of(looped())
    weights = _weights(plan) | {"smear_gate.gate": torch.full((16,), -200.0)}  # shut
    ablation = Ablation(plan, weights, {}, BATCH)
    changes = {item.feature: ablation.change(item) for item in removals(plan, "full")}
    assert (changes["smear_gate"].logits, changes["smear_gate"].loss) == (0.0, 0.0)
    assert changes["loop_vector"].logits > 0
