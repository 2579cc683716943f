"""A trained model under another budget, another policy, or a knob turned until it fits: by the real artifact."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from torch import Tensor

from loopspec.compiler import check_spec, load_plan
from loopspec.compiler.check import SpecError
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.compiler.source.resolve import SourceDocument
from loopspec.runtime.artifact import read_artifact
from loopspec.runtime.data.token_source import TokenData
from loopspec.runtime.pipeline.allocation import LEAST_SLACK
from loopspec.runtime.pipeline.artifact_plan import artifact_plan
from loopspec.runtime.pipeline.bits_table import strain_text
from loopspec.runtime.pipeline.console import Console
from loopspec.runtime.pipeline.knobs import Knob, check_solvable, fit_knob, setting
from loopspec.runtime.pipeline.packing import pack
from loopspec.runtime.pipeline.prepare import prepare_data
from loopspec.runtime.pipeline.repacking import solved_plan
from loopspec.runtime.pipeline.replanning import repacked_plan
from loopspec.runtime.quantize import QuantizeError

INTEGER = "{kind: integer, bits: 6, clip: {kind: std, k: 12.85}}"
POLICIES = {
    "integer": f"{{rules: [{{match: {{matrix: true}}, scheme: {INTEGER}}}, {{scheme: {{kind: float16}}}}]}}",
    "fitted": "{rules: [{match: {matrix: true}, scheme: {kind: rate_distortion}}, {scheme: {kind: float16}}], "
    "codec: {kind: rans}, calibration: {tokens: 256}}",
    "pruned": "{rules: [{match: {matrix: true}, scheme: {kind: integer, bits: 6, clip: {kind: std, k: 12}, prune: 0.5}}"
    ", {scheme: {kind: float16}}]}",
    "float": "{rules: [{scheme: {kind: float16}}]}",
    "misspelled": "{rules: [{scheme: {kind: floot16}}]}",
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


def policy(spec: Path, name: str, others: str = "") -> SourceDocument:
    """A spec with this policy and nothing else but `others`."""
    path = spec.with_name(f"{name}.yaml")
    path.write_text(f"spec_version: 1\nname: {name}\n{others}quantization: {POLICIES[name]}\n")
    return check_spec(path).document


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
    with pytest.raises(SpecError, match=r"with the quantization of .*lost\.yaml:\d+:\d+: error\[LS301\]"):
        repacked_plan(trained, None, policy(spec, "lost"))


@pytest.mark.parametrize(
    "knob",
    ["prune", pytest.param("bits", marks=pytest.mark.torture), pytest.param("k", marks=pytest.mark.torture)],
)
def test_a_knob_turned_until_the_real_artifact_fits(
    trained: Plan, weights: dict[str, Tensor], data: TokenData, tmp_path: Path, knob: Knob
) -> None:
    said = io.StringIO()
    whole = pack(trained, weights, {}, data, tmp_path / "a", Console()).summary.bytes
    budget = whole - 1_200
    plan = solved_plan(trained, knob, budget, weights, {}, data, Console(said))
    size = pack(plan, weights, {}, data, tmp_path / "b", Console()).summary.bytes
    assert plan.spec.budget.bytes == budget
    assert size <= budget and (knob == "bits" or size >= budget - 1_100)
    *trials, solved = said.getvalue().splitlines()
    assert solved == f"solved: {setting(plan, knob)}: {size:,} bytes"  # of the file, not of a trial
    assert trials and all(re.fullmatch(r"(k of [\d.]+|\d bits|[\d.]+% pruned): [\d,]+ bytes", line) for line in trials)


def test_a_budget_that_no_knob_reaches_is_refused(trained: Plan, weights: dict[str, Tensor], data: TokenData) -> None:
    with pytest.raises(QuantizeError, match=r"2 bits still take [\d,]+ bytes of [\d,]+; raise the budget or prune"):
        solved_plan(trained, "bits", 1_000, weights, {}, data, Console())


def test_grids_that_are_known_later_are_expected_of_a_run_that_trained_on_rounded_weights(spec: Path) -> None:
    sets = [f"quantization={POLICIES['integer']}", "train.quantization_aware={start: {fraction: 0.5}}"]
    rounded = load_plan(spec, sets)
    fitted = repacked_plan(rounded, None, policy(spec, "fitted"))
    assert fitted.spec.plain["expect"] == ["LS306"]
    assert repacked_plan(rounded, None, policy(spec, "integer")).spec.plain["expect"] == []
    assert repacked_plan(rounded, None, policy(spec, "float")).spec.plain["expect"] == ["LS529"]
    assert repacked_plan(fitted, None, policy(spec, "integer")).spec.plain["expect"] == []


def test_pruning_of_a_run_that_trained_on_rounded_weights(spec: Path) -> None:
    rounded = load_plan(
        spec, [f"quantization={POLICIES['integer']}", "train.quantization_aware={start: {fraction: 0.5}}"]
    )
    fitted = fit_knob(rounded, "prune", 4_000, lambda plan: 8_000 - round(5_000 * pruned(plan)))
    assert fitted.plan.spec.plain["expect"] == ["LS306"] and pruned(fitted.plan) >= 0.8


def pruned(plan: Plan) -> float:
    return plan.spec.quantization.rules[0].scheme.prune


def test_only_the_section_of_the_other_spec_counts(trained: Plan, spec: Path) -> None:
    """Its model, data, training and budget may be any, even none at all."""
    other = policy(spec, "pruned", "budget: {bytes: 1000, margin: 7}\nmodel: {dim: -3}\nnonsense: 1\nexpect: [LS501]\n")
    plan = repacked_plan(trained, None, other)
    assert pruned(plan) == 0.5 and plan.spec.budget == trained.spec.budget
    assert plan.spec.architecture == trained.spec.architecture and plan.spec.plain["expect"] == []


def test_a_fault_within_the_section_has_its_place_in_its_own_file(trained: Plan, spec: Path) -> None:
    with pytest.raises(SpecError, match=r"misspelled\.yaml:3:40: error\[LS023\]"):
        repacked_plan(trained, None, policy(spec, "misspelled"))


def test_a_margin_goes_where_no_scheme_uses_it(spec: Path) -> None:
    fitted = load_plan(spec, [f"quantization={POLICIES['fitted']}", "budget.margin=500"])
    assert repacked_plan(fitted, None, policy(spec, "integer")).spec.budget.margin == 0
    assert repacked_plan(fitted, 9_000, None).spec.budget.margin == 500


def test_fixed_grids_over_the_budget_are_packed_and_open_again(
    trained: Plan, weights: dict[str, Tensor], data: TokenData, tmp_path: Path
) -> None:
    plan = repacked_plan(trained, 2_000, None)
    assert plan.size.low_bytes > 2_000 and plan.spec.plain["expect"] == ["LS401"]
    path = tmp_path / "a"
    assert pack(plan, weights, {}, data, path, Console()).summary.bytes > 2_000
    assert artifact_plan(path, read_artifact(path)).spec.budget.bytes == 2_000
    assert repacked_plan(plan, 200_000, None).spec.plain["expect"] == []


def test_a_budget_that_no_step_meets_is_named(trained: Plan, spec: Path) -> None:
    with pytest.raises(
        QuantizeError, match=r"budget of 1,500 bytes cannot be met: .* take about [\d,]+; give a larger"
    ):
        repacked_plan(trained, 1_500, policy(spec, "fitted"))


def test_solving_is_refused_before_data_are_read(trained: Plan, spec: Path) -> None:
    with pytest.raises(QuantizeError, match=r"which fill the budget: no --solve"):
        check_solvable(repacked_plan(trained, None, policy(spec, "fitted")), "k")
    with pytest.raises(QuantizeError, match="no rule of tiny has the knob k"):
        check_solvable(repacked_plan(trained, None, policy(spec, "float")), "k")
    plain = load_plan(spec, [f"quantization={POLICIES['integer']}", "budget.code_bytes=50000"])
    with pytest.raises(QuantizeError, match=r"a budget of 9,000 bytes leaves nothing beside 50,000 bytes of code"):
        check_solvable(repacked_plan(plain, 9_000, None), "k")


def test_an_artifact_of_very_few_bits_says_so(
    trained: Plan, spec: Path, weights: dict[str, Tensor], data: TokenData, tmp_path: Path
) -> None:
    plain = repacked_plan(trained, None, None)
    assert strain_text(plain, pack(plain, weights, {}, data, tmp_path / "a", Console())) is None
    plan = repacked_plan(trained, 3_200, policy(spec, "fitted"))
    said = strain_text(plan, pack(plan, weights, {}, data, tmp_path / "b", Console()))
    assert said is not None
    assert re.match(r"few bits: 0\.\d\d a weight, predicted to raise the loss by [\d.e-]+ nats a token; \d+ of ", said)
