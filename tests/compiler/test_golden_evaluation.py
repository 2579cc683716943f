"""Losses by position and by sliding window, as the reference systems' own evaluations recorded them of two models."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.golden_names import TOKENS, VALUE_EMBEDDING, block_names, ngram_names, skip_names
from support.goldens import GOLDEN, SPECS, Golden, load
from torch import Tensor, nn

RESULTS: dict[str, Any] = json.loads((GOLDEN / "bpb_eval_loader.json").read_text())["results"]
LENGTH = 32
TOLERANCE = 2e-5

_FRUGENDORFF = Golden(
    "bpb_eval_loader",
    SPECS / "frugendorff-6x2.yaml",
    (
        "model.vocab_size=400",
        "model.dim=32",
        "model.embedding.dtype=float32",
        "model.input.0.buckets=48",
        "model.input.0.dim=12",
        "model.input.0.dtype=float32",
        "model.value_embedding.dim=10",
        "model.value_embedding.dtype=float32",
        "blocks.core.count=3",
        "blocks.core.attention.heads=4",
        "blocks.core.attention.kv_heads=2",
        "blocks.core.attention.rope.dims=4",
        "blocks.core.mlp.ratio=2",
        "blocks.core.overrides=[{blocks: [2], attention: {xsa: true}}, {blocks: [1], value_embedding: true}]",
        "graph.0.loop_vector.dtype=float32",
    ),
    (
        *TOKENS,
        *ngram_names(2, "bigram"),
        *VALUE_EMBEDDING,
        *block_names("core", "blocks"),
        (r"blocks\.core\.1\.value_scale", "ve_layer_scales.0"),
        *skip_names("trunk", 1, 1),
        (r"stages\.trunk\.loop_vector\.(\d)", r"loop_pos@\1"),
    ),
    (),
)
_EXPERIMENT = Golden(
    "bpb_eval_loader",
    SPECS / "baseline-9l.yaml",
    (
        "model.vocab_size=400",
        "model.dim=32",
        "model.embedding.dtype=float32",
        "blocks.trunk.count=3",
        "blocks.trunk.attention.heads=4",
        "blocks.trunk.attention.kv_heads=2",
        "blocks.trunk.attention.rope.dtype=float32",
    ),
    (*TOKENS, *block_names("trunk", "blocks"), *skip_names("trunk", 1, 1)),
    (),
    prefix="sd_exp.",
)


@cache
def module_of(golden: Golden) -> nn.Module:
    return load(golden).module


def losses(golden: Golden, tokens: Tensor) -> Tensor:
    """Nats of each target, (rows, length), of rows of tokens (rows, length + 1)."""
    with torch.no_grad():
        logits = module_of(golden)(tokens[:, :-1])
    return F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none").double()


def validation_tokens() -> Tensor:
    return torch.from_numpy(_FRUGENDORFF.arrays["val_tokens"]).long()


def sliding_loss(golden: Golden, tokens: Tensor, starts: range, stride: int) -> tuple[int, float]:
    """Targets scored and their mean: the first window scores all of its targets, the others their last `stride`."""
    count, total = 0, 0.0
    for length in sorted({min(LENGTH, len(tokens) - 1 - start) for start in starts}):
        windows = [start for start in starts if min(LENGTH, len(tokens) - 1 - start) == length]
        rows = losses(golden, torch.stack([tokens[start : start + length + 1] for start in windows]))
        for start, row in zip(windows, rows, strict=True):
            scored = row if start == 0 else row[max(length - stride, 0) :]
            count, total = count + len(scored), total + scored.sum().item()
    return count, total / count


def test_losses_by_position() -> None:
    tokens = validation_tokens()
    rows = torch.stack([tokens[start : start + LENGTH + 1] for start in range(0, len(tokens) - 1, LENGTH)])
    recorded = _FRUGENDORFF.arrays["nll_nonoverlap"]
    np.testing.assert_allclose(losses(_FRUGENDORFF, rows).numpy(), recorded, rtol=0, atol=TOLERANCE)
    assert losses(_FRUGENDORFF, rows).mean().item() == pytest.approx(RESULTS["eval_val"]["val_loss"], abs=TOLERANCE)


@pytest.mark.parametrize("stride", [5, 8, 32])
def test_sliding_windows_with_short_ones_at_the_end(stride: int) -> None:
    result = RESULTS[f"sliding_stride{stride}"]
    tokens = validation_tokens()
    starts = range(0, len(tokens) - 1, stride)
    assert len(starts) == result["n_windows"]
    count, mean = sliding_loss(_FRUGENDORFF, tokens, starts, stride)
    assert count == result["scored_tokens"]
    assert mean == pytest.approx(result["val_loss"], abs=TOLERANCE)


@pytest.mark.parametrize("name", ["exp167_sliding_stride8", "exp167_sliding_stride8_ragged"])
def test_sliding_windows_that_are_full(name: str) -> None:
    result = RESULTS[name]
    tokens = validation_tokens()[: result["total_tokens"] + 1]
    count, mean = sliding_loss(_EXPERIMENT, tokens, range(0, len(tokens) - LENGTH, 8), 8)
    assert count == result["scored_tokens"]
    assert mean == pytest.approx(result["val_loss"], abs=TOLERANCE)
