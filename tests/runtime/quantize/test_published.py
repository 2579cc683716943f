"""Codes and steps of published quantizers, bit for bit, against the vectors that their originals left."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from loopspec.compiler.graph.model import Store
from loopspec.compiler.passes.quantization import matches
from loopspec.compiler.spec.init import Init
from loopspec.compiler.spec.published_schemes import DESCRIBED, SCHEMES
from loopspec.compiler.spec.quantization import Scheme
from loopspec.runtime.quantize import StoreStatistics, decode, encode
from loopspec.runtime.quantize.activation_aware import activation_aware_rows, importance_of
from loopspec.runtime.quantize.by_loop import blended_by_loop
from loopspec.runtime.quantize.fake import round_as_exported
from loopspec.runtime.quantize.gs7_training import gs7_rounded
from loopspec.runtime.quantize.integer import integer_codes
from loopspec.runtime.quantize.mlx import int8_rows, move_to_rounded, pack_int4_row, unpack_int4_row
from loopspec.runtime.quantize.published import POLICIES
from loopspec.runtime.quantize.row_bits import assign_row_bits
from loopspec.runtime.quantize.storage import part_bytes, storage_of
from loopspec.runtime.quantize.units import Rows, uniform_rows

GOLDEN = Path(__file__).parents[2] / "golden"
VECTORS = np.load(GOLDEN / "quantizers.npz")
MLX = np.load(GOLDEN / "pr167_mlx_misc.npz")
BY_LOOP = np.load(GOLDEN / "per_loop_quantize_run1.npz")
CLASSES = json.loads((GOLDEN / "export_classes.json").read_text())
WEIGHTS = ["wide", "small"]


def parts(array: np.ndarray, name: str, statistics: StoreStatistics | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Codes as shaped, and steps as stored, (rows,)."""
    encoded = encode("w", array, SCHEMES[name], statistics)
    dtype = "<f2" if encoded.storage.step_dtype == "float16" else "<f4"
    codes = np.frombuffer(encoded.parts["codes"], np.int8).reshape(array.shape)
    return codes, np.frombuffer(encoded.parts["steps"], dtype)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(
    ("name", "vector"),
    [("challenge-int6-rows", "int6_per_row"), ("challenge-int8-rows", "int8"), ("pr167-int6-rows", "exp167_int6")],
)
def test_rows(name: str, vector: str, weights: str) -> None:
    codes, steps = parts(VECTORS[f"W.{weights}"], name)
    assert np.array_equal(codes, VECTORS[f"{vector}.{weights}.q"])
    assert np.array_equal(steps, VECTORS[f"{vector}.{weights}.s"])
    if (decoded := f"{vector}.{weights}.deq") in VECTORS:
        assert np.array_equal(decode(encode("w", VECTORS[f"W.{weights}"], SCHEMES[name])), VECTORS[decoded])


@pytest.mark.parametrize(
    ("name", "vector"), [("challenge-int6-vector", "int6_per_row"), ("challenge-int8-vector", "int8")]
)
def test_vectors(name: str, vector: str) -> None:
    codes, steps = parts(VECTORS["W.vec"], name)
    assert np.array_equal(codes, VECTORS[f"{vector}.vec.q"])
    assert steps.dtype == VECTORS[f"{vector}.vec.s"].dtype and steps[0] == VECTORS[f"{vector}.vec.s"]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_search_for_each_row(weights: str) -> None:
    matrix, scheme = VECTORS[f"W.{weights}"], SCHEMES["challenge-int6-row-search"]
    found = integer_codes(matrix, scheme, uniform_rows(len(matrix), 31), "w")
    assert np.array_equal(found.exact[:, 0], VECTORS[f"best_row_scales.{weights}"])


@pytest.mark.parametrize("weights", WEIGHTS)
def test_rows_of_mixed_bits(weights: str) -> None:
    matrix, bits = VECTORS[f"W.{weights}"], VECTORS["exp167_mixed.row_bits"]
    rows = Rows((2 ** (bits - 1) - 1).astype(np.float32), np.ones(len(matrix), np.float32))
    found = integer_codes(matrix, SCHEMES["pr167-mixed-rows"], rows, "w")
    assert np.array_equal(found.codes, VECTORS[f"exp167_mixed.{weights}.q"])
    assert np.array_equal(found.exact[:, 0].astype(np.float16), VECTORS[f"exp167_mixed.{weights}.s"])


def test_bits_of_rows_and_their_scheme() -> None:
    mixed = SCHEMES["pr167-mixed-rows"]
    scores, bits = VECTORS["assign_row_bits.scores"], VECTORS["assign_row_bits.bits"]
    assert mixed.row_bits is not None
    assert np.array_equal(assign_row_bits(scores, 6, mixed.row_bits), bits)
    outputs = scores.astype(np.float64) ** 2
    statistics = StoreStatistics(1, 1, np.eye(200, dtype=np.float32), np.eye(200, dtype=np.float32), outputs)
    codes, _ = parts(VECTORS["W.small"], "pr167-mixed-rows", statistics)
    levels = 2 ** (bits - 1) - 1
    assert (np.abs(codes).max(axis=1) <= levels).all() and (np.abs(codes).max(axis=1) > levels // 2).sum() > 20


@pytest.mark.parametrize("weights", WEIGHTS)
def test_what_training_rounds_to(weights: str) -> None:
    weight = torch.from_numpy(VECTORS[f"W.{weights}"])
    exporter = round_as_exported(weight, SCHEMES["pr498-training-int6"], "w")
    assert np.array_equal(exporter.numpy(), VECTORS[f"qat_ste.rowmax_498.{weights}.fake_quant_weight"])
    assert np.array_equal(gs7_rounded(weight).numpy(), VECTORS[f"qat_ste.p9995_gs7.{weights}.fake_quant_weight"])


@pytest.mark.parametrize("weights", WEIGHTS)
def test_activation_aware(weights: str) -> None:
    found = activation_aware_rows(VECTORS[f"W.{weights}"], VECTORS["act_aware.imp"])
    assert np.array_equal(found.codes, VECTORS[f"act_aware.{weights}.q"])
    assert np.array_equal(found.steps, VECTORS[f"act_aware.{weights}.s"].astype(np.float32))


def test_activation_importance() -> None:
    """The original sums in float32."""
    found = importance_of(VECTORS["act_importance.acts"])
    np.testing.assert_allclose(found, VECTORS["act_importance.out"], rtol=3e-7)


@pytest.mark.parametrize("name", [name[2:] for name in BY_LOOP.files if name.startswith("W.")])
def test_by_loop(name: str) -> None:
    importances = [BY_LOOP[f"importance.loop{loop}.block0"] for loop in range(2)]
    found = blended_by_loop(BY_LOOP[f"W.{name}"], importances)
    assert np.array_equal(found.codes, BY_LOOP[f"out.{name}.q"])
    for loop, steps in enumerate(found.steps):
        assert np.array_equal(steps, BY_LOOP[f"out.{name}.scale.loop{loop}"].astype(np.float32))


def test_mlx_int4() -> None:
    row = pack_int4_row(MLX["int4.row"])
    assert np.array_equal(row.packed, MLX["int4.packed"]) and row.step == MLX["int4.scale"]
    assert np.array_equal(unpack_int4_row(row), MLX["int4.deq"])
    assert not unpack_int4_row(pack_int4_row(np.zeros(4, np.float32))).any()


def test_mlx_int8_and_what_its_training_moves_towards() -> None:
    matrix = MLX["int8.W"]
    codes, steps = int8_rows(matrix)
    assert np.array_equal(codes, MLX["int8.q"]) and np.array_equal(steps, MLX["int8.s"])
    rounded = decode(encode("w", matrix, SCHEMES["mlx-training-int8"]))
    assert np.array_equal(rounded, MLX["qat_roundtrip.alpha1.0"])
    assert np.array_equal(move_to_rounded(matrix, rounded, 0.3), MLX["qat_roundtrip.alpha0.3"])


GPTQ = np.load(GOLDEN / "gptq.npz")


@pytest.mark.parametrize(
    ("name", "vector"), [("challenge-int6-gptq", "crawler_b64_d002"), ("gs7-int6-gptq", "gs7_b128_d01")]
)
def test_gptq_by_the_inverse(name: str, vector: str) -> None:
    statistics = StoreStatistics(400, 1, GPTQ["H"], GPTQ["H"], np.ones(96))
    codes, steps = parts(GPTQ["W"], name, statistics)
    assert np.array_equal(codes, GPTQ[f"{vector}.q"]) and np.array_equal(steps, GPTQ[f"{vector}.s"])


@pytest.mark.parametrize("config", CLASSES)
def test_classes_of_the_published_models(config: str) -> None:
    """Which tensor is stored how, by rules over the peers' own names, and the bytes of all parts."""
    policy = POLICIES["challenge-gptq" if "run8" in config else "challenge-int6"]
    kinds: dict[Scheme, str] = {policy[0].scheme: "passthrough", policy[-1].scheme: "int8", policy[1].scheme: "int6"}
    size: Counter[str] = Counter()
    for name, tensor in CLASSES[config]["tensors"].items():
        store = Store(name, tuple(tensor["shape"]), group="matrices", init=Init("zero"))
        scheme = next(rule.scheme for rule in policy if matches(rule.match, store))
        assert kinds[scheme] == tensor["cls"], name
        size[tensor["cls"]] += sum(part_bytes(store.shape, storage_of(scheme)).values())
    totals = CLASSES[config].get("totals")
    assert totals is None or size == {kind: each["bytes"] for kind, each in totals.items()}


def test_every_name_is_a_scheme_that_encodes() -> None:
    statistics = StoreStatistics(400, 1, GPTQ["H"], GPTQ["H"], np.linspace(1, 2, 96))
    assert not SCHEMES.keys() & DESCRIBED.keys()
    for name, scheme in (SCHEMES | DESCRIBED).items():
        decoded = decode(encode(name, GPTQ["W"], scheme, statistics))
        rounding = np.square(decoded - GPTQ["W"]).mean() / np.square(GPTQ["W"]).mean()
        assert 0 < rounding < (0.3 if scheme.kind == "ternary" else 0.2), name


def test_a_policy_of_fewer_bits_for_the_mlp() -> None:
    names = {"blocks.0.mlp.fc.weight": 5, "blocks.0.attn.c_q.weight": 6, "tok_emb.weight": 8}
    for name, bits in names.items():
        store = Store(name, (512, 512), group="matrices", init=Init("zero"))
        rules = POLICIES["challenge-int5-mlp"]
        assert next(rule.scheme for rule in rules if matches(rule.match, store)).bits == bits
