"""The output side: one loss by mode, and the further losses of training in a variant of their own."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_specs import draft_of, small

from loopspec.compiler.graph.model import Graph
from loopspec.compiler.passes.draft import Draft


def draft(*, heads: int = 0, modes: dict[str, Any] | None = None, tied: bool = True, **stage: Any) -> Draft:
    model: dict[str, Any] = {"vocab_size": 11, "dim": 16, "embedding": {"tied": tied}}
    if heads:
        model["multi_token"] = {"heads": heads, "weight": 0.6}
    trunk = {"stage": "trunk", "blocks": "core", **stage}
    return draft_of(small(model=model, graph=[trunk], modes=modes or {}), "uses")


def graph_of(draft: Draft) -> Graph:
    assert draft.graph is not None
    return draft.graph


def losses(draft: Draft, variant: str, site: str) -> list[str]:
    """The sites whose losses a sum adds, in order."""
    inputs = graph_of(draft).inputs(site, variant)
    return [inputs["loss"].site, *(inputs[f"input{number}"].site for number in range(1, len(inputs)))]


def test_without_further_losses_no_mode_has_a_variant() -> None:
    found = draft(loops=2)
    assert not found.variants
    assert found.order["full"][-1] == "output/loss"
    assert graph_of(found).inputs("output/loss", "full")["targets"].site == "targets"


def test_a_head_ahead_is_of_the_normed_stream_and_the_weight_is_shared_among_the_heads() -> None:
    found = draft(heads=3)
    graph = graph_of(found)
    assert set(found.variants) == {"full"} and not any("multi_token" in site for site in found.order["full"])
    for number in range(3):
        site = graph.site(f"output/multi_token.{number}")
        assert (site.attribute("offset"), site.attribute("softcap")) == (number + 1, 30.0)
        inputs = {port: source.site for port, source in graph.inputs(site.id, "full+training").items()}
        assert inputs == {"x": "output/norm", "targets": "targets"}
        assert graph.bindings(site.id) == {"weight": f"multi_token_head.{number}"}
    total = "output/full/training_loss"
    ahead = [f"output/multi_token.{number}" for number in range(3)]
    assert losses(found, "full+training", total) == ["output/loss", *ahead]
    assert graph.site(total).attribute("weights") == pytest.approx((0.2, 0.2, 0.2))


def test_an_auxiliary_loss_follows_every_loop_but_the_last_with_its_weight() -> None:
    modes = {"two": {"trunk": {"loops": 2}}, "bare": {"trunk": {"without": ["auxiliary_loss"]}}}
    found = draft(loops=3, auxiliary_loss={"kind": "fixed", "weights": [0.1, 0.3]}, modes=modes)
    graph = graph_of(found)
    assert set(found.variants) == {"full", "two"}  # single has one loop, bare goes without
    assert losses(found, "full+training", "output/full/training_loss") == [
        *("output/loss", "trunk/loop.0/auxiliary_loss", "trunk/loop.1/auxiliary_loss"),
    ]
    assert graph.site("output/full/training_loss").attribute("weights") == (0.1, 0.3)
    assert losses(found, "two+training", "output/two/training_loss") == ["output/loss", "trunk/loop.0/auxiliary_loss"]
    assert graph.site("output/two/training_loss").attribute("weights") == (0.1,)
    stream = graph.inputs("trunk/loop.1/auxiliary_norm", "full+training")["x"].site
    assert graph.site(stream).position == 3


@pytest.mark.parametrize("tied", [True, False])
def test_every_loss_of_the_next_token_uses_the_one_head(tied: bool) -> None:
    graph = graph_of(draft(loops=2, auxiliary_loss={"kind": "fixed", "weights": [0.1]}, tied=tied))
    head = "token_embedding.weight" if tied else "head.weight"
    for site in ("output/head", "trunk/loop.0/auxiliary_head"):
        assert graph.bindings(site) == {"weight": head}
        assert graph.site(site).attribute("softcap") == 30.0


def test_learned_weights_start_with_the_last_firing_and_name_each_loop() -> None:
    modes = {"two": {"trunk": {"loops": 2}}}
    found = draft(loops=3, auxiliary_loss={"kind": "learned"}, modes=modes)
    graph = graph_of(found)
    site = graph.site("output/full/learned_loss")
    assert site.attribute("firings") == (2, 0, 1)
    assert losses(found, "full+training", site.id) == [
        *("output/loss", "trunk/loop.0/auxiliary_loss", "trunk/loop.1/auxiliary_loss"),
    ]
    assert graph.bindings(site.id) == {"weights": "stages.trunk.loss_weight"}
    assert graph.site("output/two/learned_loss").attribute("firings") == (2, 0)
    (weights,) = (store for store in graph.stores if store.name == "stages.trunk.loss_weight")
    assert weights.shape == (3,) and not weights.exported
    assert found.variants["full"][-1] == site.id


def test_learned_weights_come_before_the_heads_ahead() -> None:
    found = draft(loops=2, auxiliary_loss={"kind": "learned"}, heads=1)
    assert losses(found, "full+training", "output/full/training_loss") == [
        *("output/full/learned_loss", "output/multi_token.0"),
    ]
    assert losses(found, "single+training", "output/single/training_loss") == ["output/loss", "output/multi_token.0"]


def test_a_z_loss_is_of_the_models_own_loss_in_training_alone() -> None:
    train = {"sequence_length": 8, "batch_tokens": 16, "stop": {"steps": 10}, "penalties": {"z_loss": 1e-4}}
    for smoothing in (0.0, 0.1):
        found = draft_of(small(train=train | {"label_smoothing": smoothing}), "uses")
        graph = graph_of(found)
        assert found.order["full"][-1] == "output/loss"
        assert found.variants["full"][-1] == "output/penalized_loss"
        assert dict(graph.site("output/loss").attributes) == {}
        terms = {"z_loss": 1e-4} | ({"label_smoothing": smoothing} if smoothing else {})
        assert dict(graph.site("output/penalized_loss").attributes) == terms


def test_the_variant_has_every_site_of_its_mode() -> None:
    found = draft(loops=2, auxiliary_loss={"kind": "fixed", "weights": [0.1]}, heads=1)
    for mode, sites in found.variants.items():
        assert set(found.order[mode]) < set(sites)
