"""Calibration block by block: each block is measured in a model whose earlier blocks hold what the artifact will."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from loopspec.compiler import load_plan
from loopspec.compiler.check import plan_resolved
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.compiler.schema import load_schema
from loopspec.compiler.schema.defaults import fill_defaults
from loopspec.compiler.spec.quantization import Clip, Scheme
from loopspec.runtime.data.token_source import TokenData
from loopspec.runtime.pipeline import calibration
from loopspec.runtime.pipeline.calibration import Calibrator, calibrated_stores, turns
from loopspec.runtime.pipeline.console import Console
from loopspec.runtime.pipeline.packing import pack
from loopspec.runtime.pipeline.prepare import prepare_data
from loopspec.runtime.pipeline.repacking import solved_plan
from loopspec.runtime.pipeline.rounding_events import event_lines, gains_text, store_reports
from loopspec.runtime.quantize import EncodedStore, QuantizeError, decode, encode, report_store
from loopspec.runtime.quantize.statistics import StoreStatistics

GPTQ = "{kind: integer, bits: 3, clip: {kind: absmax}, gptq: {}}"
NEAREST = "{kind: integer, bits: 3, clip: {kind: absmax}}"
RATE_DISTORTION = "{kind: rate_distortion}"
Weights = dict[str, Tensor]


def sequential(spec: Path, scheme: str = GPTQ, source: str = "training", embeddings: str = NEAREST) -> Plan:
    """Two blocks in two loops; matrices by `scheme`."""
    rules = f"""[{{match: {{group: embeddings}}, scheme: {embeddings}}},
      {{match: {{matrix: true}}, scheme: {scheme}}}, {{scheme: {{kind: float16}}}}]"""
    calibration = f"{{tokens: 256, source: {source}, order: sequential}}"
    section = f"quantization={{rules: {rules}, calibration: {calibration}}}"
    return load_plan(spec, [section, "blocks.core.count=2", "budget.bytes=9000"])


@pytest.fixture
def plan(spec: Path) -> Plan:
    return sequential(spec)


@pytest.fixture
def data(plan: Plan) -> TokenData:
    return prepare_data(plan, lambda _: None)


@pytest.fixture
def weights(plan: Plan) -> Weights:
    return dict(build_module(plan, 0).named_parameters())


def one_shot(plan: Plan) -> dict[str, Any]:
    """The policy of the plan, calibrated in one shot."""
    section = plan.spec.plain["quantization"]
    return {**section, "calibration": {**section["calibration"], "order": "one_shot"}}


def stored(plan: Plan, weights: Weights, name: str, statistics: StoreStatistics | None) -> EncodedStore:
    scheme = next(store.scheme for store in plan.exported_stores if store.name == name)
    return encode(name, weights[name].detach().numpy(), scheme, statistics)


def test_turns_take_blocks_in_the_order_of_their_first_use(plan: Plan) -> None:
    names = [store.name for store in plan.exported_stores if len(store.shape) > 1]
    found = turns(plan, "full", list(reversed(names)))
    assert [{".".join(name.split(".")[:3]) for name in turn} for turn in found] == [
        {"token_embedding.weight"},
        {"blocks.core.0"},
        {"blocks.core.1"},
    ]
    assert sorted(name for turn in found for name in turn) == sorted(names)
    assert turns(plan, "full", ["blocks.core.1.mlp.up"]) == [["blocks.core.1.mlp.up"]]


@pytest.mark.parametrize("source", ["training", "model"])
def test_each_block_sees_the_stored_values_of_those_before_it(
    spec: Path, weights: Weights, data: TokenData, source: str
) -> None:
    plan = sequential(spec, source=source)
    names, seen = calibrated_stores(plan), []
    found = Calibrator(plan, weights, {}, data).sequential(
        names, lambda name, statistics: stored(plan, weights, name, statistics), lambda *done: seen.append(done)
    )
    assert list(found) == names and seen[-1] == (512, 512) and seen == sorted(seen)
    values = dict(weights)
    for store in plan.exported_stores:
        if store.name not in names:
            values[store.name] = torch.from_numpy(decode(stored(plan, weights, store.name, None)))
    for turn in turns(plan, "full", names):
        trained = Calibrator(plan, weights, {}, data)
        trained._batches()  # the model's own text is that of the trained one
        with torch.no_grad():
            for name, value in values.items():
                trained._module.get_parameter(name).copy_(value)
        want = trained.one_shot(turn, lambda *_: None)
        for name in turn:
            np.testing.assert_array_equal(found[name].inputs, want[name].inputs)
            values[name] = torch.from_numpy(decode(stored(plan, weights, name, want[name])))
    shot = Calibrator(plan, weights, {}, data).one_shot(names, lambda *_: None)
    assert all((shot[name].inputs != found[name].inputs).any() for name in names)


@pytest.mark.parametrize("scheme", [GPTQ, RATE_DISTORTION])
@pytest.mark.parametrize("measure", [False, True])
def test_the_order_is_what_the_artifact_is_made_with(
    spec: Path, weights: Weights, data: TokenData, tmp_path: Path, scheme: str, measure: bool
) -> None:
    plan = sequential(spec, scheme)
    packed = pack(plan, weights, {}, data, tmp_path / "a", Console(), measure=measure)
    assert (tmp_path / "a").stat().st_size == packed.summary.bytes <= 9000
    known = set(packed.statistics)
    assert known >= set(calibrated_stores(plan)) and ("token_embedding.weight" in known) == measure
    plain = plan_resolved({**plan.spec.plain, "quantization": one_shot(plan)}, "one shot")
    other = pack(plain, weights, {}, data, tmp_path / "c", Console(), measure=measure)
    assert any(other.contents.stores[name].parts != packed.contents.stores[name].parts for name in known)
    again = pack(plan, weights, {}, data, tmp_path / "b", Console(), measure=measure)
    assert again.summary.sha256 == packed.summary.sha256


def test_what_is_measured_for_a_table_changes_no_byte(
    spec: Path, weights: Weights, data: TokenData, tmp_path: Path
) -> None:
    """A low-rank term is weighted by statistics where its scheme has them, not where a table wanted them."""
    corrected = "{kind: integer, bits: 3, clip: {kind: absmax}, error_rank: 2}"
    plan = sequential(spec, corrected, embeddings=GPTQ)
    plain, measured = (
        pack(plan, weights, {}, data, tmp_path / str(measure), Console(), measure=measure) for measure in (False, True)
    )
    assert plain.summary.sha256 == measured.summary.sha256
    assert set(plain.statistics) == {"token_embedding.weight"} < set(measured.statistics)


def test_a_pack_says_what_gptq_gained_and_where_it_lost(
    plan: Plan, weights: Weights, data: TokenData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = pack(plan, weights, {}, data, tmp_path / "a", Console())
    lines = capsys.readouterr().err.splitlines()
    reports = store_reports(plan, weights, packed.contents, packed.statistics)
    said = next(line for line in lines if line.startswith("GPTQ on "))
    assert said in event_lines(reports) and all(line in lines for line in event_lines(reports))
    assert f"GPTQ on {len(calibrated_stores(plan))} stores: its objective is" in said
    gains = [report.gptq_gain for report in reports if report.gptq_gain is not None]
    assert len(gains) == len(calibrated_stores(plan)) and ("LOST" in said) == (min(gains) < 0)
    assert gains_text({"a": 0.25, "b": -0.5, "c": 0.5}).endswith(
        "25.0% (median) below that of rounding; it LOST to rounding on b"
    )


def test_events_of_rounding_are_counted() -> None:
    weights = np.array([[0, 0], [1e-5, -1e-5], [1, -9]], np.float32)
    schemes = (Scheme("integer", 6, Clip("absmax")), Scheme("integer", 6, Clip("std", 0.9)))
    lines = event_lines([report_store(weights, encode("w", weights, each), each) for each in schemes])
    assert lines == [
        "3 weights are at the ends of their grids",
        "2 rows, groups or stores hold only zeros: w, w",
        "2 steps are below float16's normal range and lose digits: w, w",
    ]


@pytest.mark.parametrize("documents", [False, True])
def test_sampled_text_begins_as_documents_do(
    spec: Path, data: TokenData, monkeypatch: pytest.MonkeyPatch, documents: bool
) -> None:
    given = []

    def sampled(
        plan: Plan, module: object, mode: str, boundary: int | None, progress: Callable[[int], None]
    ) -> list[Any]:
        given.append(boundary)
        progress(7)
        return []

    monkeypatch.setattr(calibration, "sampled_batches", sampled)
    plan = sequential(spec, source="model")
    if documents:
        plain = {**plan.spec.plain, "model": {**plan.spec.plain["model"], "documents": {"boundary_token": 3}}}
        plan = plan_resolved(fill_defaults(plain, load_schema()), "documents")
    seen: list[tuple[int, int]] = []
    weights = dict(build_module(plan, 0).named_parameters())
    calibrator = Calibrator(plan, weights, {}, data, drawn=lambda done, total: seen.append((done, total)))
    assert list(calibrator._batches()) == [] and given == [3 if documents else None] and seen == [(7, 256)]


def test_a_knob_is_turned_on_statistics_in_one_shot_alone(plan: Plan, weights: Weights, data: TokenData) -> None:
    with pytest.raises(QuantizeError, match=r"--solve needs quantization\.calibration\.order: one_shot"):
        solved_plan(plan, "bits", 9_000, weights, {}, data, Console())
