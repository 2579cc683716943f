from __future__ import annotations

from pathlib import Path

import pytest
from support.fixed_grids import FIXED_GRIDS

from loopspec.compiler.check import check_sized, check_spec
from loopspec.compiler.size.calibrated import MEASUREMENT_FILE, MeasuredRun, MeasuredStore, measurement_json
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.runtime.cli.calibrated_size import calibrated_plan

SPEC = shipped_specs()["quickstart.yaml"]


def measured(share: float, tmp_path: Path) -> Path:
    """A run whose codes came to that many bytes a weight."""
    plan = check_spec(SPEC, [FIXED_GRIDS, "budget.bytes=10000000"]).plan
    assert plan is not None
    coded = [store for store in plan.exported_stores if store.scheme.coded]
    stores = {store.name: MeasuredStore(store.shape, store.scheme, store.elements * share) for store in coded}
    (tmp_path / MEASUREMENT_FILE).write_text(measurement_json(MeasuredRun(10, 10, stores)))
    return tmp_path


@pytest.mark.parametrize(("share", "after"), [(0.3, []), (0.9, ["LS401"])])
def test_findings_follow_the_refined_size(share: float, after: list[str], tmp_path: Path) -> None:
    size = check_spec(SPEC, [FIXED_GRIDS]).plan.size
    sets = [FIXED_GRIDS, f"budget.bytes={(size.low_bytes + size.high_bytes) // 2}"]
    checked = check_spec(SPEC, sets)
    assert [item.code for item in checked.diagnostics] == ["LS402"]
    refined = check_sized(checked, calibrated_plan(checked.plan, measured(share, tmp_path)).size)
    assert [item.code for item in refined.diagnostics] == after and refined.ok == (not after)
    assert refined.plan.size != checked.plan.size and refined.plan.stores == checked.plan.stores
    for item in refined.diagnostics:
        assert f"({refined.plan.size.low_bytes:,} to {refined.plan.size.high_bytes:,}" in item.message


def test_an_expected_finding_that_the_run_rules_out_is_reported(tmp_path: Path) -> None:
    size = check_spec(SPEC, [FIXED_GRIDS]).plan.size
    sets = [FIXED_GRIDS, f"budget.bytes={(size.low_bytes + size.high_bytes) // 2}", "expect=[LS402]"]
    checked = check_spec(SPEC, sets)
    refined = check_sized(checked, calibrated_plan(checked.plan, measured(0.3, tmp_path)).size)
    assert [item.code for item in refined.diagnostics] == ["LS030"]
