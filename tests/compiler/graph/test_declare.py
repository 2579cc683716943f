"""Stores: their public names, in their public order, with group and shape."""

from __future__ import annotations

from support.small_specs import draft_of, group, small

from loopspec.compiler.graph.declare import input_names
from loopspec.compiler.spec.architecture import InputLayer

D, V = 16, 11


def test_every_store_has_its_documented_name_shape_and_group() -> None:
    ngram = {"kind": "ngram_hash", "buckets": 7, "dim": 3}
    plain = small(
        model={
            "vocab_size": V,
            "dim": D,
            "embedding": {"tied": False},
            "input": [
                {**ngram, "order": 2},
                {**ngram, "order": 3, "dim": D},
                {"kind": "rms_norm"},
                {"kind": "smear_gate"},
            ],
            "value_embedding": {"dim": 4},
        },
        blocks={"core": group(1, value_embedding=True), "bare": group(1, mlp={"hidden": 5})},
        graph=[
            {
                "stage": "trunk",
                "blocks": "core",
                "path": [0, 0],
                "loops": 2,
                "loop_vector": {},
                "skips": {"kind": "unet", "scope": "path"},
            },
            {"stage": "end", "blocks": "bare", "place": {"value_embedding": [0]}},
        ],
    )
    plain["blocks"]["bare"]["attention"]["q_gain"] = None
    plain["blocks"]["bare"]["residual"] = {"x0_mix": False, "branch_scale": False}
    graph = draft_of(plain, "bind").graph
    assert graph is not None
    assert [(store.name, store.shape, store.group) for store in graph.stores] == [
        ("token_embedding.weight", (V, D), "embeddings"),
        ("ngram_hash_2.table", (7, 3), "embeddings"),
        ("ngram_hash_2.projection", (D, 3), "matrices"),
        ("ngram_hash_2.scale", (), "scalars"),
        ("ngram_hash_3.table", (7, D), "embeddings"),
        ("ngram_hash_3.scale", (), "scalars"),
        ("smear_gate.gate", (D,), "scalars"),
        ("value_embedding.table", (V, 4), "embeddings"),
        ("value_embedding.projection", (8, 4), "matrices"),
        ("value_embedding.scale", (), "scalars"),
        ("blocks.core.0.residual_mix", (2, D), "scalars"),
        ("blocks.core.0.attention_scale", (D,), "scalars"),
        ("blocks.core.0.mlp_scale", (D,), "scalars"),
        ("blocks.core.0.value_scale", (1,), "scalars"),
        ("blocks.core.0.attention.query", (D, D), "matrices"),
        ("blocks.core.0.attention.key", (8, D), "matrices"),
        ("blocks.core.0.attention.value", (8, D), "matrices"),
        ("blocks.core.0.attention.output", (D, D), "matrices"),
        ("blocks.core.0.attention.gain", (2,), "scalars"),
        ("blocks.core.0.mlp.up", (2 * D, D), "matrices"),
        ("blocks.core.0.mlp.down", (D, 2 * D), "matrices"),
        ("blocks.bare.0.attention.query", (D, D), "matrices"),
        ("blocks.bare.0.attention.key", (8, D), "matrices"),
        ("blocks.bare.0.attention.value", (8, D), "matrices"),
        ("blocks.bare.0.attention.output", (D, D), "matrices"),
        ("blocks.bare.0.mlp.up", (5, D), "matrices"),
        ("blocks.bare.0.mlp.down", (D, 5), "matrices"),
        ("stages.trunk.loop_vector.0", (D,), "scalars"),
        ("stages.trunk.loop_vector.1", (D,), "scalars"),
        ("stages.trunk.skip_weight.2", (D,), "scalars"),
        ("stages.trunk.skip_weight.3", (D,), "scalars"),
        ("stages.end.value_scale.0", (1,), "scalars"),
        ("head.weight", (V, D), "head"),
    ]


def test_a_pass_scope_has_a_skip_weight_for_each_receiving_step_of_the_path() -> None:
    stage = {"stage": "trunk", "blocks": "core", "path": {"cycle": 5}, "loops": 3, "skips": {"kind": "unet"}}
    graph = draft_of(small(graph=[stage]), "bind").graph
    assert graph is not None
    assert [store.name for store in graph.stores if "skip" in store.name] == [
        "stages.trunk.skip_weight.2",
        "stages.trunk.skip_weight.3",
    ]


def test_input_layers_of_one_name_are_numbered_from_the_second_on() -> None:
    kinds = [("rms_norm", None), ("ngram_hash", 2), ("rms_norm", None), ("ngram_hash", 3), ("ngram_hash", 2)]
    layers = [InputLayer(kind, order=order) for kind, order in [*kinds, ("rms_norm", None)]]
    assert input_names(layers) == [
        "rms_norm",
        "ngram_hash_2",
        "rms_norm__2",
        "ngram_hash_3",
        "ngram_hash_2__2",
        "rms_norm__3",
    ]
