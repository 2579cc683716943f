"""The reference systems' parameter counts: which spec and changes say the same as each recorded configuration."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from loopspec.compiler import Plan

SPECS = Path(__file__).parents[2] / "specs"
_RECORDED = {row["name"]: row for row in json.loads((SPECS.parent / "tests/golden/parameter_counts.json").read_text())}


@dataclass(frozen=True)
class Row:
    """A recorded configuration; `code` is the diagnostic of one that no spec can say.

    `lacks` are parameters of the original that belong to layers that it does not have, which a spec cannot store.
    """

    name: str
    spec: str
    sets: tuple[str, ...] = ()
    code: str | None = None
    lacks: int = 0

    @property
    def path(self) -> Path:
        return SPECS / f"{self.spec}.yaml"

    @property
    def total(self) -> int | None:
        return _RECORDED[self.name]["total"]

    @property
    def groups(self) -> dict[str, int] | None:
        return _RECORDED[self.name]["groups"]


def _bigram(buckets: int, dim: int = 128) -> str:
    layers = f"{{kind: ngram_hash, order: 2, buckets: {buckets}, dim: {dim}}}, {{kind: rms_norm}}, {{kind: smear_gate}}"
    return f"model.input=[{layers}]"


def _scales(positions: int, *, vectors: bool = True, own: bool = True) -> str:
    parts = ", ".join(f"{part}: {{keep_shared: true}}" for part in ("attention_scale", "mlp_scale", "residual_mix"))
    return (
        f"graph=[{{stage: trunk, blocks: trunk, path: {{cycle: {positions}}}, skips: {{kind: unet, scope: path}}"
        f"{', position_vector: {}' if vectors else ''}{f', private: {{{parts}}}' if own else ''}}}]"
    )


_DEAD = "expect=[LS504]"
_WIDE_MLP = "blocks.trunk.mlp.ratio=3"
_UNTIED = ("graph.0.path=null", "blocks.trunk.overrides=[{blocks: [%s], attention: {xsa: true}}]")


def _untied(count: int, exclusive: str) -> tuple[str, ...]:
    return (f"blocks.trunk.count={count}", _UNTIED[0], _UNTIED[1] % exclusive)


_BANK = "{stage: bank, blocks: bank, inside: trunk, loops: 2, skip_trace: {}}"

ROWS = (
    Row("frugendorff_6x2_pr498", "frugendorff-6x2"),
    Row("frugendorff_6x2_bigram8192", "frugendorff-6x2", ("model.input.0.buckets=8192",)),
    Row("micro_crawler_4f2cx2_run1_d640", "micro-crawler"),
    Row("micro_crawler_4f2cx2_run3_d640", "micro-crawler-run3"),
    Row("micro_crawler_4f2cx2_run6_d640", "micro-crawler-run6"),
    Row("micro_crawler_4f2cx2_run8_d640", "micro-crawler-run8"),
    Row("micro_crawler_run1_shell_dim624", "micro-crawler", ("model.dim=624",), "LS101"),
    Row("micro_crawler_run1_trigram2048", "micro-crawler", ("model.input.0.buckets=2048",)),
    Row(
        "micro_crawler_3f3cx2_H2",
        "micro-crawler-run8",
        (
            "blocks.flat.count=3",
            "blocks.crawler.count=3",
            "blocks.crawler.overrides=[{blocks: [0], attention: {xsa: false}}, {blocks: [2], value_embedding: false}]",
        ),
    ),
    Row("micro_crawler_5f1cx2_H6a_plan", "control-5f-1cx2", lacks=1),
    Row(
        "micro_crawler_5f1cx2_H6a_plan",
        "control-5f-1cx2",
        ("blocks.crawler.value_embedding=false", "graph.1.place={value_embedding: [0, 1]}"),
        "LS116",
    ),
    Row("micro_crawler_8f0c_RC0c_plan", "control-8f", lacks=2),
    Row("H4_A_control_gs7_11L", "h4-arm-a"),
    Row(
        "H4_B_gs7_10L_bankx2_ve9_10",
        "h4-arm-b-published",
        ("blocks.trunk.count=10", "blocks.trunk.overrides=[{blocks: [6..9], attention: {xsa: true}}]"),
        "LS116",
    ),
    Row(
        "H4_B_gs7_10L_bankx2_ve9_10",
        "h4-arm-b-published",
        (
            "blocks.trunk.count=10",
            "blocks.trunk.overrides=[{blocks: [6..9], attention: {xsa: true}}]",
            f"graph=[{{stage: trunk, blocks: trunk, skips: {{kind: unet}}, place: {{value_embedding: [9]}}}}, {_BANK}]",
        ),
        lacks=1,
    ),
    Row("H4_B_gs7_11L_bankx2", "h4-arm-b-published"),
    Row(
        "H4_bottleneck_script_defaults_4f2cx2_d640",
        "micro-crawler",
        (
            "graph.1.inside=flat",
            "blocks.flat.residual.norm_scale={index: block}",
            "blocks.crawler.residual.norm_scale={index: explicit, indices: [4, 5]}",
        ),
    ),
    Row("pr857_15L_tied_9_13", "tied-15l"),
    Row("pr857_15L_untied", "tied-15l", _untied(15, "11..14")),
    Row("pr857_11L_untied_base", "tied-15l", _untied(11, "7..10")),
    Row("baseline_9L_512", "baseline-9l"),
    Row("pr167_sub_9unique_512", "cycle-3x9", ("blocks.trunk.count=9",)),
    Row("pr167_sub_3shared_9virt_512", "cycle-3x9"),
    Row("pr167_sub_3shared_9virt_512_perlayerscales", "cycle-3x9-scales"),
    Row("pr167_sub_3shared_12virt_640", "cycle-3x12-640", ("blocks.trunk.attention={heads: 8, kv_heads: 4}",)),
    Row("pr167_sub_3shared_12virt_768", "cycle-3x12-768", ("blocks.trunk.attention={heads: 8, kv_heads: 4}",)),
    Row("pr167_sub_2shared_6virt_256_mlp3_torch", "cycle-2x6-256", (_scales(6, vectors=False),)),
    Row("pr167_exp_3shared_9virt_mlp3", "cycle-3x9", (_WIDE_MLP,)),
    Row("pr167_exp_9unique_mlp3", "baseline-9l", (_WIDE_MLP,)),
    Row("pr167_exp_9L_bigram4096_smear", "baseline-9l", (_WIDE_MLP, _bigram(4096))),
    Row("pr167_exp_10L_bigram4096_smear", "baseline-9l", ("blocks.trunk.count=10", _WIDE_MLP, _bigram(4096))),
    Row("pr167_exp_9L_bigram4096_dim32_smear", "baseline-9l", (_WIDE_MLP, _bigram(4096, 32))),
    Row("pr167_exp_9L_qrank192", "baseline-9l", (_WIDE_MLP, "blocks.trunk.attention.query_rank=192")),
    Row(
        "pr167_exp_11L_qrank192_reco",
        "baseline-9l",
        ("blocks.trunk.count=11", _WIDE_MLP, "blocks.trunk.attention.query_rank=192", _bigram(10240)),
    ),
    Row("pr167_sub_3shared_12virt_640_10h2kv", "cycle-3x12-640"),
    Row("pr167_sub_3shared_12virt_768_12h4kv", "cycle-3x12-768"),
    Row(
        "micro_crawler_3f3cx2_H2_asrun",
        "micro-crawler-run8",
        ("blocks.flat.count=3", "blocks.crawler.count=3"),
    ),
    Row(
        "frugendorff_v2_RC0a_noVE",
        "frugendorff-6x2",
        ("model.value_embedding=null", "blocks.core.overrides=[{blocks: [4, 5], attention: {xsa: true}}]"),
    ),
    Row("mlx_9unique_512", "baseline-9l", ("model.norm_eps=1e-6", "blocks.trunk.attention.rope.direction=forward")),
    Row("mlx_3shared_9virt_512", "cycle-3x9", (_scales(9, own=False),)),
    Row("mlx_3shared_9virt_512_pls", "cycle-3x9", (_scales(9), _DEAD)),
    Row(
        "mlx_3shared_12virt_640_pls",
        "cycle-3x12-640",
        ("blocks.trunk.attention={heads: 8, kv_heads: 4}", _scales(12), _DEAD),
    ),
    Row(
        "mlx_3shared_12virt_768_pls",
        "cycle-3x12-768",
        ("blocks.trunk.attention={heads: 8, kv_heads: 4}", _scales(12), _DEAD),
    ),
    Row("mlx_2shared_6virt_256_mlp3_4h2kv", "cycle-2x6-256"),
    Row("mlx_3shared_12virt_640_10h2kv", "cycle-3x12-640", (_scales(12, own=False),)),
)

BUILDABLE = tuple(row for row in ROWS if row.code is None)
REFUSED = tuple(row for row in ROWS if row.code is not None)
RECORDED_NAMES = frozenset(_RECORDED)

_GROUPS = (
    (r"token_embedding\.weight", "tok_emb"),
    (r"ngram_hash_\d\.table", "ngram_embed"),
    (r"ngram_hash_\d\.projection", "ngram_proj"),
    (r"ngram_hash_\d\.scale", "ngram_scale"),
    (r"smear_gate\.gate", "smear_gate"),
    (r"value_embedding\.table", "ve_embed"),
    (r"value_embedding\.projection", "ve_proj"),
    (r"value_embedding\.scale|blocks\..*\.value_scale|stages\.\w+\.value_scale\.\d+", "ve_scalars"),
    (r"blocks\..*\.(residual_mix|attention_scale|mlp_scale)", "block_scalars"),
    (r"blocks\..*\.attention\.gain", "attn_qgain"),
    (r"blocks\..*\.attention\.\w+", "attn_matrices"),
    (r"blocks\..*\.mlp\.\w+", "mlp_matrices"),
    (r"stages\.\w+\.skip_weight\.\d+", "skip_weights"),
    (r"stages\.\w+\.loop_vector\.\d+", "loop_pos"),
    (r"stages\.\w+\.position_vector\.\d+", "repeat_embeds"),
    (r"stages\.\w+\.attention_scale\.\d+", "attn_scales"),
    (r"stages\.\w+\.mlp_scale\.\d+", "mlp_scales"),
    (r"stages\.\w+\.residual_mix\.\d+", "resid_mixes"),
    (r"stages\.\w+\.gate", "delib_gate"),
    (r"stages\.\w+\.gate_scale", "delib_scale"),
    (r"stages\.\w+\.reference", "consensus_ref"),
    (r"stages\.\w+\.trace\.\w+", "skiptrace_scalars"),
)
_COARSE = {
    "blocks": ("block_scalars", "attn_qgain", "attn_matrices", "mlp_matrices"),
    "per_virtual_layer_scales": ("attn_scales", "mlp_scales", "resid_mixes"),
}


def group_sums(plan: Plan, recorded: dict[str, int]) -> dict[str, int]:
    """The plan's parameters by the recorded groups; one that was recorded as a whole is summed."""
    fine: Counter[str] = Counter()
    for store in plan.stores:
        matching = [group for pattern, group in _GROUPS if re.fullmatch(pattern, store.name)]
        assert matching, store.name
        fine[matching[0]] += store.elements
    sums = dict(fine)
    for whole, parts in _COARSE.items():
        if whole in recorded:
            sums[whole] = sum(sums.pop(part, 0) for part in parts)
    return sums
