"""The sizes that a pack leaves for predictions are those of its own stream, in which stores share their tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.size.calibrated import MEASUREMENT_FILE, read_measurement
from loopspec.runtime.pipeline.console import Console
from loopspec.runtime.pipeline.measurement import write_measurement
from loopspec.runtime.pipeline.packing import pack
from loopspec.runtime.pipeline.prepare import prepare_data

POLICY = (
    "quantization={rules: [{match: {matrix: true}, scheme: {kind: integer, bits: 6, clip: {kind: std, k: 12.85}}}, "
    "{scheme: {kind: float16}}]}"
)


def test_measured_classes_add_up_to_the_stream(spec: Path, tmp_path: Path) -> None:
    plan = load_plan(spec, [POLICY])
    weights = dict(build_module(plan, 0).named_parameters())
    packed = pack(plan, weights, {}, prepare_data(plan, lambda _: None), tmp_path / "a", Console())
    write_measurement(tmp_path, plan, packed.contents, 10, over=True)
    path = tmp_path / MEASUREMENT_FILE
    stores = read_measurement(path.read_text(), str(path)).stores
    assert set(stores) == {store.name for store in plan.exported_stores if store.scheme.coded}
    found = sum(store.class_bytes or 0 for store in stores.values())
    assert found == pytest.approx(packed.summary.stream_bytes["codes"], rel=0.01)
