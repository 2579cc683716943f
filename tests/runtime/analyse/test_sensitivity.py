"""Figures against their formulas, one gradient at a time; records that read back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small_specs import Plain, group, plan_of, small
from torch import nn

from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.compiler.spec.quantization import Clip, Gptq, RowBits, Scheme
from loopspec.runtime.analyse.errors import AnalysisError
from loopspec.runtime.analyse.sensitivity import (
    Sensitivity,
    StoreSensitivity,
    measure_sensitivity,
    uncalibrated,
    weights_sha256,
)
from loopspec.runtime.analyse.sensitivity_record import read_sensitivity, sensitivity_json, write_sensitivity
from loopspec.runtime.analyse.sensitivity_text import sensitivity_text
from loopspec.runtime.analyse.windows import Windows, token_windows
from loopspec.runtime.data.token_stream import TokenStream
from loopspec.runtime.quantize import decode, encode

STREAM = TokenStream([np.random.default_rng(2).integers(0, 11, 200).astype(np.uint16)])
WINDOWS = Windows("full", STREAM, count=3, sequences=2, length=8, seed=5)
RULES = [
    {"match": {"group": "matrices"}, "scheme": {"kind": "integer", "bits": 4, "clip": {"kind": "absmax"}}},
    {"scheme": {"kind": "float32"}},
]


def _plain(**sections: object) -> Plain:
    stage = {"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}}
    return small(graph=[stage], quantization={"rules": RULES}, **sections)


def _module(plan: Plan) -> nn.Module:
    module = build_module(plan, 1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in module.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 0.2)
    return module


def _measured(plain: Plain, windows: Windows = WINDOWS) -> tuple[Plan, nn.Module, tuple[StoreSensitivity, ...]]:
    plan = plan_of(plain)
    module = _module(plan)
    return plan, module, measure_sensitivity(plan, module, windows)


def test_the_formulas():
    plan, module, found = _measured(_plain())
    gradients: dict[str, list[torch.Tensor]] = {}
    for tokens, targets in WINDOWS.batches():
        module.zero_grad()
        module(tokens, targets).backward()
        for name, value in module.named_parameters():
            gradients.setdefault(name, []).append(value.grad.double().clone())
    parameters = dict(module.named_parameters())
    assert [store.name for store in found] == [store.name for store in plan.exported_stores]
    for store in found:
        weights = parameters[store.name].detach()
        rows = (weights.shape[0], -1) if weights.ndim > 1 else (1, -1)
        stacked = torch.stack(gradients[store.name]).reshape(3, *torch.empty(weights.shape).reshape(rows).shape)
        fisher = 16 * stacked.square().mean(0)
        scheme = next(item.scheme for item in plan.stores if item.name == store.name)
        errors = torch.from_numpy(decode(encode("x", weights.numpy(), scheme))).double() - weights.double()
        noise = 0.5 * (fisher * errors.reshape(rows).square()).sum(1)
        np.testing.assert_allclose(store.gradient_norm, stacked.norm(dim=2).mean(0).numpy(), rtol=1e-9)
        np.testing.assert_allclose(store.fisher, fisher.sum(1).numpy(), rtol=1e-9)
        np.testing.assert_allclose(store.loss_increase, noise.numpy(), rtol=1e-6)
        np.testing.assert_allclose(store.absmax, weights.reshape(rows).abs().amax(1).numpy())
    by_name = {store.name: store for store in found}
    assert not by_name["token_embedding.weight"].loss_increase.any()  # kept in float32
    assert by_name["blocks.core.0.mlp.up"].loss_increase.all()


def test_equal_seeds_give_equal_figures_and_others_do_not():
    first, again = _measured(_plain())[2], _measured(_plain())[2]
    other = _measured(_plain(), Windows("full", STREAM, 3, 2, 8, seed=6))[2]
    for one, two in zip(first, again, strict=True):
        assert all(np.array_equal(one.figures()[name], two.figures()[name]) for name in one.figures())
    assert any(not np.array_equal(one.fisher, two.fisher) for one, two in zip(first, other, strict=True))


def test_windows_are_cuts_of_the_stream():
    whole = STREAM.read(0, 200).tolist()
    cuts = [whole[start : start + 9] for start in range(192)]
    for tokens, targets in token_windows(STREAM, 5, 3, 8, seed=1):
        for row, follow in zip(tokens.tolist(), targets.tolist(), strict=True):
            assert [*row, follow[-1]] in cuts and row[1:] == follow[:-1]
    with pytest.raises(AnalysisError, match="a sequence of 200 needs 201 training tokens, the data has 200"):
        list(token_windows(STREAM, 1, 1, 200, seed=1))


def test_what_only_training_reads_has_no_rows():
    plan, _, found = _measured(_plain(model={"vocab_size": 11, "dim": 16, "multi_token": {"heads": 1, "weight": 0.1}}))
    assert len(found) == len(plan.exported_stores) < len(plan.stores)


def test_a_store_that_the_mode_leaves_out():
    windows = Windows("single", STREAM, 2, 1, 8, seed=1)
    plan, module, found = _measured(_plain(), windows)
    silent = {store.name: store for store in found}["stages.trunk.loop_vector.1"]
    assert not silent.fisher.any() and not silent.gradient_norm.any()
    text = sensitivity_text(_record(plan, module, found), "t")
    assert "no gradient reaches stages.trunk.loop_vector.1" in text


def test_weights_that_are_not_finite():
    plan = plan_of(_plain())
    module = _module(plan)
    with torch.no_grad():
        dict(module.named_parameters())["blocks.core.0.mlp.up"].fill_(float("nan"))
    with pytest.raises(AnalysisError, match=r"the gradient of .* is not finite"):
        measure_sensitivity(plan, module, WINDOWS)


def _record(plan: Plan, module: nn.Module, stores: tuple[StoreSensitivity, ...]) -> Sensitivity:
    about = {"spec": "small", "spec_sha256": "0" * 64, "weights_sha256": weights_sha256(plan, module)}
    return Sensitivity({**about, "source": "run", "weights": "w", **WINDOWS.record}, stores)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_records_read_back(tmp_path: Path, suffix: str):
    plan, module, stores = _measured(_plain())
    found = _record(plan, module, stores)
    path = tmp_path / f"rows{suffix}"
    write_sensitivity(path, found)
    first = path.read_bytes()
    again = read_sensitivity(path, plan)
    assert sensitivity_json(again) == sensitivity_json(found) == json.loads(json.dumps(sensitivity_json(found)))
    write_sensitivity(path, again)
    assert path.read_bytes() == first
    other = plan_of(_plain(blocks={"core": group(3)}))
    with pytest.raises(AnalysisError, match="is of a model with other stores than small"):
        read_sensitivity(path, other)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"format": "loopspec-sensitivity", "version": 2, "stores": []}', b"PK"]
)
def test_what_is_no_record(tmp_path: Path, suffix: str, content: bytes):
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(content)
    with pytest.raises(AnalysisError, match=f"rows{suffix}: is no .*; measure it again"):
        read_sensitivity(path, plan_of(_plain()))


def test_another_suffix(tmp_path: Path):
    plan, module, stores = _measured(_plain())
    with pytest.raises(AnalysisError, match=r"is a .json or .npz file; name it so"):
        write_sensitivity(tmp_path / "rows.txt", _record(plan, module, stores))


def test_text():
    plan, module, stores = _measured(_plain())
    text = sensitivity_text(_record(plan, module, stores), WINDOWS.description)
    lines = text.splitlines()
    assert lines[0] == "sensitivity of small, mode full" and max(map(len, lines)) <= 80
    assert sum(line.startswith(" blocks.core.") for line in lines) == sum("blocks" in store.name for store in stores)
    total = sum(store.loss_increase.sum() for store in stores)
    assert lines[-1] == f"  together: {total:.3g} nats a token"


@pytest.mark.parametrize(
    ("scheme", "measured"),
    [
        (Scheme("integer", 5, Clip("std", 9.0)), Scheme("integer", 5, Clip("std", 9.0))),
        (Scheme("integer", 5, Clip("std", 9.0), gptq=Gptq()), Scheme("integer", 5, Clip("std", 9.0))),
        (Scheme("integer", 5, Clip("absmax"), row_bits=RowBits()), Scheme("integer", 5, Clip("absmax"))),
        (Scheme("integer", 5, Clip("sensitivity_std", 9.0, 0.1)), Scheme("integer", 5, Clip("std", 9.0))),
        (Scheme("rate_distortion"), Scheme("integer", 6, Clip("absmax"))),
        (Scheme("float16"), Scheme("float16")),
    ],
    ids=str,
)
def test_schemes_that_need_calibration_are_measured_by_their_nearest(scheme: Scheme, measured: Scheme) -> None:
    assert uncalibrated(scheme) == measured and not measured.calibrated
