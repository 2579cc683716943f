"""Recorded outputs of the reference systems: the tiny spec of each, and the map from its weights to our stores."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

GOLDEN = Path(__file__).parent.parent / "golden"
SPECS = Path(__file__).parent.parent.parent / "specs"

_SHARED = [
    "model.vocab_size=64",
    "model.dim=32",
    "model.embedding.dtype=float32",
]
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


@dataclass(frozen=True)
class Golden:
    """A recorded system: vector file, shipped spec, changes that make it as small as the recording, weight names.

    `modes` maps our mode to the suffix of the recorded logits and loss; `names` are (pattern, replacement) pairs from
    our store names to the recorded ones, where `@i` picks row i of a stacked tensor.
    """

    vectors: str
    spec: str
    sets: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    modes: tuple[tuple[str, str], ...] = (("full", ""),)

    @property
    def spec_path(self) -> Path:
        return SPECS / f"{self.spec}.yaml"

    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(GOLDEN / f"{self.vectors}.npz") as data:
            return {name: data[name] for name in data.files}

    def notes(self) -> dict[str, Any]:
        return json.loads((GOLDEN / f"{self.vectors}.json").read_text())

    def weights(self, stores: list[str]) -> dict[str, torch.Tensor]:
        """The recorded weights under our store names; every recorded tensor must be used."""
        arrays = self.arrays()
        recorded = {name.removeprefix("sd."): value for name, value in arrays.items() if name.startswith("sd.")}
        used: set[str] = set()
        weights = {}
        for store in stores:
            name, _, row = self._recorded_name(store).partition("@")
            used.add(name)
            value = torch.from_numpy(recorded[name])
            weights[store] = value[int(row)] if row else value
        # pr857 records each block twice: under `_unique_blocks.*`, and under `blocks.*` by position
        twice = "blocks." if self.vectors == "pr857_tied" else "-"
        unused = {name for name in recorded if name not in used and not name.startswith(twice)}
        assert not unused, f"recorded weights not loaded: {unused}"
        return weights

    def _recorded_name(self, store: str) -> str:
        for pattern, replacement in self.names:
            if re.fullmatch(pattern, store):
                return re.sub(pattern, replacement, store)
        raise AssertionError(f"no recorded name for {store}")


def _block_names(ours: str, theirs: str) -> tuple[tuple[str, str], ...]:
    block = rf"blocks\.{ours}\.(\d+)\."
    return (
        (block + r"(residual_mix)", rf"{theirs}.\1.resid_mix"),
        (block + r"attention_scale", rf"{theirs}.\1.attn_scale"),
        (block + r"mlp_scale", rf"{theirs}.\1.mlp_scale"),
        (block + r"attention\.query", rf"{theirs}.\1.attn.c_q.weight"),
        (block + r"attention\.key", rf"{theirs}.\1.attn.c_k.weight"),
        (block + r"attention\.value", rf"{theirs}.\1.attn.c_v.weight"),
        (block + r"attention\.output", rf"{theirs}.\1.attn.proj.weight"),
        (block + r"attention\.gain", rf"{theirs}.\1.attn.q_gain"),
        (block + r"mlp\.up", rf"{theirs}.\1.mlp.fc.weight"),
        (block + r"mlp\.down", rf"{theirs}.\1.mlp.proj.weight"),
    )


def _table_names(order: int, ngram: str) -> tuple[tuple[str, str], ...]:
    return (
        (rf"ngram_hash_{order}\.table", f"{ngram}.embed.weight"),
        (rf"ngram_hash_{order}\.projection", f"{ngram}.proj.weight"),
        (rf"ngram_hash_{order}\.scale", f"{ngram}.scale"),
        (r"smear_gate\.gate", "smear.gate"),
        (r"value_embedding\.table", "ve_shared.embed.weight"),
        (r"value_embedding\.projection", "ve_shared.proj.weight"),
        (r"value_embedding\.scale", "ve_shared.scale"),
    )


_TOKENS = ((r"token_embedding\.weight", "tok_emb.weight"),)


def _skips(stage: str, first: int, count: int) -> tuple[tuple[str, str], ...]:
    return tuple((rf"stages\.{stage}\.skip_weight\.{first + j}", f"skip_weights@{j}") for j in range(count))


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
        *_TOKENS,
        *_table_names(2, "bigram"),
        *_block_names("core", "blocks"),
        (r"blocks\.core\.1\.value_scale", "ve_layer_scales.0"),
        (r"blocks\.core\.3\.value_scale", "ve_layer_scales.1"),
        *_skips("trunk", 2, 2),
        (r"stages\.trunk\.loop_vector\.(\d)", r"loop_pos@\1"),
    )
    return Golden(vectors, "frugendorff-6x2", tuple(sets), names)


def _crawler(vectors: str, reference: int) -> Golden:
    sets = [
        *_SHARED,
        *_TABLES,
        *_attention("flat", reference),
        *_attention("crawler", reference),
        "blocks.crawler.mlp.ratio=3",
        "blocks.crawler.attention.xsa=false",
        "blocks.crawler.overrides=[{blocks: [1], attention: {xsa: true}}]",
        "graph.1.loop_vector.dtype=float32",
    ]
    names = (
        *_TOKENS,
        *_table_names(3, "trigram"),
        *_block_names("flat", "flat_blocks"),
        *_block_names("crawler", "crawler_blocks"),
        (r"blocks\.crawler\.(\d)\.value_scale", r"ve_layer_scales.\1"),
        *_skips("flat", 2, 2),
        (r"stages\.crawler\.loop_vector\.(\d)", r"loop_pos@\1"),
    )
    return Golden(vectors, "micro-crawler", tuple(sets), names, (("full", "_C"), ("single", "_N")))


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
        *_TOKENS,
        *_table_names(2, "bigram"),
        *_block_names("trunk", "_unique_blocks"),
        (r"stages\.trunk\.value_scale\.5", "ve_layer_scales.0"),
        (r"stages\.trunk\.value_scale\.6", "ve_layer_scales.1"),
        *_skips("trunk", 4, 4),
    )
    return Golden("pr857_tied", "tied-15l", tuple(sets), names)


def _baseline(vectors: str, spec: str, extra: list[str], first_skip: int, skips: int) -> Golden:
    names = (*_TOKENS, *_block_names("trunk", "blocks"), *_skips("trunk", first_skip, skips))
    return Golden(vectors, spec, (*_SHARED, *_attention("trunk"), *extra), names)


GOLDENS = (
    _frugendorff("pr498_frugendorff", 1024),
    _frugendorff("pr498_frugendorff_ntk", 16),
    _crawler("crawler_run1_sequential", 1024),
    _crawler("crawler_run1_sequential_ntk", 16),
    _tied(),
    _baseline("pr167_sub_shared", "cycle-3x9", [], 4, 4),
    _baseline("baseline", "baseline-9l", ["blocks.trunk.count=5"], 2, 2),
)
