"""Rotary tables, rotations and n-gram buckets equal to the recordings bit for bit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from support.goldens import GOLDEN

from loopspec.compiler.modules.embedding import hash_ngrams
from loopspec.compiler.modules.rotary import apply_rotary, rotary_table

CASES = json.loads((GOLDEN / "rope_tables.json").read_text())["cases"]
HASHES = sorted(
    (path.stem, name, order)
    for path in GOLDEN.glob("*.npz")
    for order, name in ((2, "bigram_ids"), (3, "trigram_ids"))
    if name in np.load(path).files
)


@pytest.fixture(scope="module")
def arrays() -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / "rope_tables.npz") as data:
        return {name: torch.from_numpy(data[name]) for name in data.files}


def test_every_recorded_table_is_a_case(arrays: dict[str, torch.Tensor]) -> None:
    assert {case["tag"] for case in CASES} == {name.rpartition(".")[0] for name in arrays if name.endswith(".cos")}
    assert len(CASES) == 9


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["tag"])
def test_tables_are_the_recorded_bits(case: dict[str, Any], arrays: dict[str, torch.Tensor]) -> None:
    dims = case["rope_dims"] or case["head_dim"]
    reference = case["rotary_train_seq_len"] or None
    dtype = case.get("inv_freq_buffer", "float32")
    table = rotary_table(torch.zeros(1, case["T"]), dims, case["base"], reference, dtype=dtype)
    for name, values in zip(("cos", "sin"), table, strict=True):
        assert torch.equal(values[:: case["row_step"], 0], arrays[f"{case['tag']}.{name}"])


def test_a_bfloat16_table_is_far_from_the_float32_one_but_not_where_ntk_acts() -> None:
    tokens = torch.zeros(1, 1024)
    exact, rounded = (rotary_table(tokens, 64, 10000.0, 1024, dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert (exact[0] - rounded[0]).abs().max() == pytest.approx(1.9683952331542969, abs=1e-6)
    assert len(torch.arange(1024.0).bfloat16().unique()) == 513
    for single, half in zip(
        rotary_table(tokens, 64, 10000.0, 512), rotary_table(tokens, 64, 10000.0, 512, dtype="bfloat16"), strict=True
    ):
        assert torch.equal(single, half)


@pytest.mark.parametrize(("dims", "recorded"), [(4, "apply498.y_rd4"), (8, "apply498.y_full")])
def test_rotations_are_the_recorded_bits(dims: int, recorded: str, arrays: dict[str, torch.Tensor]) -> None:
    x = arrays["apply498.x"]
    assert torch.equal(apply_rotary(x, rotary_table(x[..., 0, 0], dims, 10000.0)), arrays[recorded])


def test_the_baselines_rotation_with_heads_first_is_the_same(arrays: dict[str, torch.Tensor]) -> None:
    x = arrays["apply_base.x_bhtd"].transpose(1, 2)
    assert torch.equal(apply_rotary(x, rotary_table(x[..., 0, 0], 8, 10000.0)).transpose(1, 2), arrays["apply_base.y"])


def test_recordings_of_both_orders_are_here() -> None:
    assert {order for _, _, order in HASHES} == {2, 3}


@pytest.mark.parametrize(("vectors", "name", "order"), HASHES)
def test_buckets_are_the_recorded_ones(vectors: str, name: str, order: int) -> None:
    with np.load(GOLDEN / f"{vectors}.npz") as data:
        tokens, expected = torch.from_numpy(data["input_ids"]), torch.from_numpy(data[name])
    assert torch.equal(hash_ngrams(tokens, order, buckets=48), expected)
