"""A trained model under another budget, another policy, or a knob turned until it fits: by the real artifact."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from loopspec.compiler import load_plan
from loopspec.compiler.check import SpecError
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.data.token_source import TokenData
from loopspec.runtime.pipeline.allocation import LEAST_SLACK
from loopspec.runtime.pipeline.console import Console
from loopspec.runtime.pipeline.knobs import Knob
from loopspec.runtime.pipeline.packing import pack
from loopspec.runtime.pipeline.prepare import prepare_data
from loopspec.runtime.pipeline.repacking import repacked_plan, solved_plan
from loopspec.runtime.quantize import QuantizeError

INTEGER = "{kind: integer, bits: 6, clip: {kind: std, k: 12.85}}"
POLICIES = {
    "integer": f"{{rules: [{{match: {{matrix: true}}, scheme: {INTEGER}}}, {{scheme: {{kind: float16}}}}]}}",
    "fitted": "{rules: [{match: {matrix: true}, scheme: {kind: rate_distortion}}, {scheme: {kind: float16}}], "
    "codec: {kind: rans}, calibration: {tokens: 256}}",
    "lost": f"{{rules: [{{match: {{name: no.such.*}}, scheme: {INTEGER}}}, {{scheme: {{kind: float16}}}}]}}",
}


@pytest.fixture
def trained(spec: Path) -> Plan:
    return load_plan(spec, [f"quantization={POLICIES['integer']}"])


@pytest.fixture
def data(trained: Plan) -> TokenData:
    return prepare_data(trained, lambda _: None)


@pytest.fixture
def weights(trained: Plan) -> dict[str, Tensor]:
    return dict(build_module(trained, 0).named_parameters())


def policy(spec: Path, name: str) -> str:
    """A spec with this policy, beside the other one."""
    path = spec.with_name(f"{name}.yaml")
    path.write_text(f"{spec.read_text()}quantization: {POLICIES[name]}\n")
    return str(path)


def test_nothing_asked_changes_nothing(trained: Plan) -> None:
    assert repacked_plan(trained, None, None) is trained


def test_another_policy_and_budget_is_met_by_the_real_artifact(
    trained: Plan, spec: Path, weights: dict[str, Tensor], data: TokenData, tmp_path: Path
) -> None:
    plan = repacked_plan(trained, 9_000, policy(spec, "fitted"))
    packed = pack(plan, weights, {}, data, tmp_path / "a", Console())
    assert plan.spec.budget.bytes == 9_000 and packed.contents.spec == plan.spec.plain
    assert 9_000 - LEAST_SLACK <= (tmp_path / "a").stat().st_size <= 9_000
    again = pack(plan, weights, {}, data, tmp_path / "b", Console())
    assert again.summary.sha256 == packed.summary.sha256
    with pytest.raises(QuantizeError, match=r"which fill the budget: no --solve"):
        solved_plan(plan, "k", 9_000, weights, {}, data, Console())


def test_a_policy_of_another_model_is_refused(trained: Plan, spec: Path) -> None:
    with pytest.raises(SpecError, match=r"no\.such"):
        repacked_plan(trained, None, policy(spec, "lost"))


@pytest.mark.parametrize(
    "knob",
    ["prune", pytest.param("bits", marks=pytest.mark.torture), pytest.param("k", marks=pytest.mark.torture)],
)
def test_a_knob_turned_until_the_real_artifact_fits(
    trained: Plan, weights: dict[str, Tensor], data: TokenData, tmp_path: Path, knob: Knob
) -> None:
    whole = pack(trained, weights, {}, data, tmp_path / "a", Console()).summary.bytes
    budget = whole - 1_200
    plan = solved_plan(trained, knob, budget, weights, {}, data, Console())
    size = pack(plan, weights, {}, data, tmp_path / "b", Console()).summary.bytes
    assert plan.spec.budget.bytes == budget
    assert size <= budget and (knob == "bits" or size >= budget - 1_100)


def test_a_budget_that_no_knob_reaches_is_refused(trained: Plan, weights: dict[str, Tensor], data: TokenData) -> None:
    with pytest.raises(QuantizeError, match=r"2 bits still take [\d,]+ bytes of [\d,]+; raise the budget or prune"):
        solved_plan(trained, "bits", 1_000, weights, {}, data, Console())


def test_grids_that_are_known_later_are_expected_of_a_run_that_trained_on_rounded_weights(spec: Path) -> None:
    sets = [f"quantization={POLICIES['integer']}", "train.quantization_aware={start: {fraction: 0.5}}"]
    rounded = load_plan(spec, sets)
    fitted = repacked_plan(rounded, None, policy(spec, "fitted"))
    assert fitted.spec.plain["expect"] == ["LS306"]
    assert repacked_plan(rounded, None, policy(spec, "integer")).spec.plain.get("expect", []) == []
