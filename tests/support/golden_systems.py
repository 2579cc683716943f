"""The recorded systems, each as a spec of ours."""

from __future__ import annotations

from .golden_names import (
    COMMON_TRACE,
    DEAD_SCALES,
    TOKENS,
    VALUE_EMBEDDING,
    bank_names,
    block_names,
    block_trace,
    gate_names,
    input_trace,
    ngram_names,
    scale_names,
    skip_names,
)
from .goldens import GOLDEN, SPECS, Golden, Names, Run

_SHARED = ["model.vocab_size=64", "model.dim=32", "model.embedding.dtype=float32"]
_TABLES = [
    "model.input.0.buckets=48",
    "model.input.0.dim=12",
    "model.input.0.dtype=float32",
    "model.value_embedding.dim=10",
    "model.value_embedding.dtype=float32",
]


def _attention(group: str, reference: int | None = None) -> list[str]:
    sets = [f"blocks.{group}.attention.heads=4", f"blocks.{group}.attention.kv_heads=2"]
    if reference is not None:
        sets += [f"blocks.{group}.attention.rope.dims=4", f"blocks.{group}.attention.rope.ntk_reference={reference}"]
    return sets


def _frugendorff(vectors: str, reference: int) -> Golden:
    sets = [
        *_SHARED,
        *_TABLES,
        *_attention("core", reference),
        "blocks.core.count=5",
        "blocks.core.overrides=[{blocks: [3, 4], attention: {xsa: true}}, {blocks: [1, 3], value_embedding: true}]",
        "graph.0.loop_vector.dtype=float32",
    ]
    names = (
        *TOKENS,
        *ngram_names(2, "bigram"),
        *VALUE_EMBEDDING,
        *block_names("core", "blocks"),
        (r"blocks\.core\.1\.value_scale", "ve_layer_scales.0"),
        (r"blocks\.core\.3\.value_scale", "ve_layer_scales.1"),
        *skip_names("trunk", 2, 2),
        (r"stages\.trunk\.loop_vector\.(\d)", r"loop_pos@\1"),
    )
    trace = (*COMMON_TRACE, *input_trace("bigram", 2), *block_trace("blocks", "trunk", "core"))
    return Golden(vectors, SPECS / "frugendorff-6x2.yaml", tuple(sets), names, (Run("full", trace="logits"),), trace)


def crawler(vectors: str, spec: str, reference: int = 1024, *more: str) -> Golden:
    """A run of the crawler; `more` are changes that make its gate as the recording has it."""
    sets = [
        *_SHARED,
        *_TABLES,
        *_attention("flat", reference),
        *_attention("crawler", reference),
        "blocks.crawler.mlp.ratio=3",
        "blocks.crawler.attention.xsa=false",
        "blocks.crawler.overrides=[{blocks: [1], attention: {xsa: true}}]",
        "graph.1.loop_vector.dtype=float32",
        *more,
    ]
    names = (
        *TOKENS,
        *ngram_names(3, "trigram"),
        *VALUE_EMBEDDING,
        *block_names("flat", "flat_blocks"),
        *block_names("crawler", "crawler_blocks"),
        (r"blocks\.crawler\.(\d)\.value_scale", r"ve_layer_scales.\1"),
        *skip_names("flat", 2, 2),
        (r"stages\.crawler\.loop_vector\.(\d)", r"loop_pos@\1"),
        *gate_names(),
    )
    runs = (
        Run("full", ("logits_C", "forward_logits"), "loss_C", "C"),
        Run("single", ("logits_N",), "loss_N", "N"),
    )
    blocks = (*block_trace("flat_blocks", "flat", "flat"), *block_trace("crawler_blocks", "crawler", "crawler"))
    trace = (*COMMON_TRACE, *input_trace("trigram", 3), *blocks)
    return Golden(vectors, SPECS / f"{spec}.yaml", tuple(sets), names, runs, trace)


def _bank() -> Golden:
    sets = [
        *_SHARED,
        *_TABLES,
        *_attention("trunk", 1024),
        *_attention("bank", 1024),
        "blocks.trunk.count=6",
        "blocks.trunk.overrides=[{blocks: [4, 5], attention: {xsa: true}}]",
        "blocks.bank.residual.norm_scale.indices=[3]",
        "graph.0.place.value_embedding=[4, 5]",
        "modes={without_bank: {bank: {loops: 0}}}",
        "cadence=[{pattern: [full, without_bank]}]",
        "expect=[LS520, LS523, LS527]",  # LS504 goes: steps without the bank read the trace
    ]
    names = (
        *TOKENS,
        *ngram_names(2, "bigram"),
        *VALUE_EMBEDDING,
        *block_names("trunk", "blocks"),
        *bank_names(),
        (r"stages\.trunk\.value_scale\.4", "ve_layer_scales.0"),
        (r"stages\.trunk\.value_scale\.5", "ve_layer_scales.1"),
        *skip_names("trunk", 3, 3),
    )
    trace = (*COMMON_TRACE, *input_trace("bigram", 2), *block_trace("blocks", "trunk", "trunk"))
    runs = (Run("full", loss=None, trace="logits"),)
    return Golden("gs7_crawler_bank", SPECS / "h4-arm-b-published.yaml", tuple(sets), names, runs, trace)


def _tied() -> Golden:
    sets = [
        *_SHARED,
        *_TABLES,
        *_attention("trunk", 1024),
        "blocks.trunk.count=6",
        "blocks.trunk.overrides=[{blocks: [4, 5], attention: {xsa: true}}]",
        "graph.0.path=[0..3, 4 x 4, 5]",
        "graph.0.place.value_embedding=[5, 6]",
    ]
    names = (
        *TOKENS,
        *ngram_names(2, "bigram"),
        *VALUE_EMBEDDING,
        *block_names("trunk", "_unique_blocks"),
        (r"stages\.trunk\.value_scale\.5", "ve_layer_scales.0"),
        (r"stages\.trunk\.value_scale\.6", "ve_layer_scales.1"),
        *skip_names("trunk", 4, 4),
    )
    trace = (*COMMON_TRACE, *input_trace("bigram", 2), *block_trace("_unique_blocks", "trunk", "trunk"))
    runs = (Run("full", trace="logits"),)
    return Golden("pr857_tied", SPECS / "tied-15l.yaml", tuple(sets), names, runs, trace)


def _baseline(vectors: str, spec: str, extra: list[str], first_skip: int, skips: int, *more: tuple[str, str]) -> Golden:
    names = (*TOKENS, *block_names("trunk", "blocks"), *skip_names("trunk", first_skip, skips), *more)
    trace = (*COMMON_TRACE, *block_trace("blocks", "trunk", "trunk"))
    sets = (*_SHARED, *_attention("trunk"), "blocks.trunk.attention.rope.dtype=float32", *extra)
    return Golden(vectors, SPECS / f"{spec}.yaml", sets, names, (Run("full", trace="loss"),), trace)


_PLACED_SCALES = scale_names("vl_attn_scales", "vl_mlp_scales", "vl_resid_mixes")


def _experiment() -> Golden:
    names = (
        *TOKENS,
        *ngram_names(2, "bigram_hash", "smear_gate_mod"),
        *block_names("trunk", "blocks"),
        *skip_names("trunk", 4, 4),
        *_PLACED_SCALES,
    )
    runs = (
        Run("full", trace="loss"),
        Run("repeat_1", ("logits_extra_repeats_1",), None),
        Run("repeat_2", ("logits_extra_repeats_2",), None),
    )
    trace = (
        *COMMON_TRACE,
        *input_trace("bigram_hash", 2, "smear_gate_mod"),
        *block_trace("blocks", "trunk", "trunk"),
    )
    return Golden("pr167_exp", GOLDEN / "specs/pr167_exp.yaml", (), names, runs, trace, DEAD_SCALES)


def _mlx(vectors: str, spec: str, first_skip: int, skips: int, more: Names = (), **rest: object) -> Golden:
    names = (
        *TOKENS,
        *block_names("trunk", "blocks"),
        *skip_names("trunk", first_skip, skips),
        (r"stages\.trunk\.position_vector\.(\d)", r"repeat_embeds@\1"),
        *more,
    )
    return Golden(vectors, GOLDEN / "specs" / spec, (), names, **{"runs": (Run("full"),), **rest})  # type: ignore[arg-type]


_BOUNDED_DEAD = {
    **DEAD_SCALES,
    r"attn_scales|mlp_scales|resid_mixes": "bounded recurrence takes the place of scales and mix",
}

GOLDENS = (
    _frugendorff("pr498_frugendorff", 1024),
    _frugendorff("pr498_frugendorff_ntk", 16),
    crawler("crawler_run1_sequential", "micro-crawler"),
    crawler("crawler_run1_sequential_ntk", "micro-crawler", 16),
    crawler("crawler_run3_selfref", "micro-crawler-run3"),
    crawler("crawler_run8_pd_bidir", "micro-crawler-run8", 1024, "graph.1.firing.combine.dtype=float32"),
    _bank(),
    _tied(),
    _baseline("baseline", "baseline-9l", ["blocks.trunk.count=5"], 2, 2),
    _baseline("pr167_sub_shared", "cycle-3x9", [], 4, 4),
    _baseline("pr167_sub_shared_pls", "cycle-3x9-scales", [], 4, 4, *_PLACED_SCALES),
    _experiment(),
    _mlx(
        "pr167_mlx_repeat_pls_deq",
        "pr167_mlx_repeat.yaml",
        3,
        3,
        scale_names("attn_scales", "mlp_scales", "resid_mixes"),
        runs=(Run("full"), Run("fixed_point", (), "loss_deq")),
    ),
    _mlx(
        "pr167_mlx_bounded",
        "pr167_mlx_bounded.yaml",
        3,
        3,
        ((r"stages\.trunk\.recurrence_gate\.(\d)", r"recurrence_gates@\1"),),
        dead=_BOUNDED_DEAD,
    ),
    _mlx("pr167_mlx_unshared", "pr167_mlx_unshared.yaml", 2, 2),
)
