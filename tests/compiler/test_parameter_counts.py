"""Stored parameters by plan, module, optimizer, average and artifact agree with the reference systems' counts."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
import torch
from support.reference_counts import BUILDABLE, RECORDED_NAMES, REFUSED, ROWS, SPECS, Row, group_sums

from loopspec.compiler import Plan, check_spec, load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import UNASSIGNED
from loopspec.runtime.artifact import ArtifactContents, read_artifact, write_artifact
from loopspec.runtime.optim.groups import parameters_of, stores_by_group
from loopspec.runtime.pipeline.packing import encode_stores
from loopspec.runtime.train.average import ExponentialAverage

PACKED = {
    "baseline-9l": 17_059_912,
    "cycle-2x6-256": 1_452_296,
    "cycle-3x9": 6_037_528,
    "cycle-3x9-scales": 6_055_960,
    "frugendorff-6x2": 28_224_320,
    "h4-arm-b-published": 29_355_110,
    "micro-crawler": 29_010_112,
    "tied-15l": 26_994_780,
}
UNTRAINED = {
    "micro-crawler-run3": 819_201,
    "micro-crawler-run6": 819_201,
    "h4-arm-b-published": 2_361_354,
}
"""Parameters that no optimizer of the original held, by spec: the gate with its scale, the bank with its trace."""


def _id(row: Row) -> str:
    return row.name if not row.lacks else f"{row.name}-without-{row.lacks}"


def test_every_recorded_configuration_is_here() -> None:
    assert {row.name for row in ROWS} == RECORDED_NAMES
    assert all((row.total is None) <= (row.code is not None) for row in ROWS)


@pytest.mark.parametrize("row", BUILDABLE, ids=_id)
def test_plan_and_all_that_is_made_of_it_count_what_was_recorded(row: Row) -> None:
    plan = load_plan(row.path, row.sets)
    assert row.total is not None and row.groups is not None
    expected = row.total - row.lacks
    assert plan.parameters == expected
    sums = group_sums(plan, row.groups)
    assert sums.keys() == row.groups.keys()
    less = {group: row.groups[group] - count for group, count in sums.items() if count != row.groups[group]}
    assert less == ({"ve_scalars": row.lacks} if row.lacks else {})
    _check_made(plan, expected, UNTRAINED.get(row.spec, 0))


def _check_made(plan: Plan, expected: int, untrained: int) -> None:
    """Module, optimizer groups and average, without memory for the numbers."""
    with torch.device("meta"):
        parameters = parameters_of(plan, build_module(plan))  # asserts names and shapes
    assert sum(parameter.numel() for parameter in parameters.values()) == expected
    trained = [store for stores in stores_by_group(plan).values() for store in stores]
    assert sum(store.elements for store in trained) == expected - untrained
    assert sum(store.elements for store in plan.stores if store.group == UNASSIGNED) == untrained
    average = ExponentialAverage(parameters, 0.997, debias=False)
    assert sum(shadow.numel() for shadow in average.state_dict()["shadow"].values()) == expected


@pytest.mark.parametrize("row", REFUSED, ids=_id)
def test_what_no_spec_can_say_is_refused(row: Row) -> None:
    checked = check_spec(row.path, row.sets)
    assert not checked.ok
    assert {item.code for item in checked.diagnostics if not item.expected} == {row.code}


@pytest.mark.parametrize(("name", "count"), PACKED.items())
def test_the_artifact_holds_as_many(name: str, count: int, tmp_path: Path) -> None:
    plan = load_plan(SPECS / f"{name}.yaml")
    assert plan.parameters == count
    weights: dict[str, torch.Tensor] = dict(build_module(plan).named_parameters())
    contents = ArtifactContents(plan.spec.plain, encode_stores(plan, weights), None, "0" * 64, {})
    write_artifact(tmp_path / "zeros.loopspec", contents, plan.spec.quantization.codec)
    stores = read_artifact(tmp_path / "zeros.loopspec").stores
    assert list(stores) == [store.name for store in plan.stores]
    assert sum(prod(store.shape) for store in stores.values()) == count
