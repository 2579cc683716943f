"""Stored parameters by plan, by module and by artifact agree with the reference systems' counts."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
import torch

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.runtime.artifact import ArtifactContents, read_artifact, write_artifact
from loopspec.runtime.pipeline.packing import encode_stores

SPECS = Path(__file__).parent.parent.parent / "specs"
COUNTS = {
    "frugendorff-6x2": 28_224_320,
    "tied-15l": 26_994_780,
    "baseline-9l": 17_059_912,
    "cycle-3x9": 6_037_528,
    "micro-crawler": 29_010_112,
}


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_plan_module_and_artifact_count_the_same(name: str, count: int, tmp_path: Path) -> None:
    plan = load_plan(SPECS / f"{name}.yaml")
    assert plan.parameters == count
    module = build_module(plan)
    assert sum(parameter.numel() for parameter in module.parameters()) == count
    weights: dict[str, torch.Tensor] = dict(module.named_parameters())
    contents = ArtifactContents(plan.spec.plain, encode_stores(plan, weights), None, "0" * 64, {})
    write_artifact(tmp_path / "zeros.loopspec", contents, plan.spec.quantization.codec)
    stores = read_artifact(tmp_path / "zeros.loopspec").stores
    assert list(stores) == [store.name for store in plan.stores]
    assert sum(prod(store.shape) for store in stores.values()) == count
