"""`expect` of problems that the plan shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fixed_grids import FIXED_GRIDS

from loopspec.compiler.check import Checked, SpecError, check_spec, load_plan

TINY = Path(__file__).parents[2] / "err" / "parents" / "tiny.yaml"
FLOAT16 = "{scheme: {kind: float16}}"
STD = "{scheme: {kind: integer, bits: 8, clip: {kind: std, k: 20}}}"
CASES = {
    "LS301": [f"quantization.rules=[{FLOAT16}, {{match: {{ndim: 4}}, scheme: {{kind: float32}}}}]"],
    "LS401": ["budget={bytes: 10000, code_bytes: 5000}", FIXED_GRIDS],
    "LS402": ["budget={bytes: 15000, code_bytes: 5000}", FIXED_GRIDS],
    "LS304": [f"quantization.rules=[{STD}]"],
    "LS302": ["quantization.rules=[{match: {group: matrices}, scheme: {kind: float16}}]"],
    "LS303": [
        "model.value_embedding={dim: 8}",
        "blocks.core.value_embedding=true",
        f"quantization.rules=[{{match: {{max_elements: 1}}, {STD[1:]}, {FLOAT16}]",
    ],
}


def _checked(code: str) -> Checked:
    return check_spec(TINY, [f"expect=[{code}]", *CASES[code]])


@pytest.mark.parametrize("code", ["LS301", "LS304", "LS401", "LS402"])
def test_an_expected_problem_of_the_plan_is_planned_all_the_same(code: str) -> None:
    checked = _checked(code)
    assert [(item.code, item.expected) for item in checked.diagnostics] == [(code, True)]
    assert checked.ok
    plan = load_plan(TINY, [f"expect=[{code}]", *CASES[code]])
    assert checked.plan is not None and plan.stores == checked.plan.stores


@pytest.mark.parametrize("code", ["LS302", "LS303"])
def test_what_cannot_be_written_fails_though_expected(code: str) -> None:
    checked = _checked(code)
    assert [(item.code, item.expected) for item in checked.diagnostics] == [(code, False)]
    assert not checked.ok
    with pytest.raises(SpecError, match=code):
        load_plan(TINY, [f"expect=[{code}]", *CASES[code]])


def test_an_expected_ls302_that_does_not_come_is_reported() -> None:
    assert [item.code for item in check_spec(TINY, ["expect=[LS302]"]).diagnostics] == ["LS030"]


@pytest.mark.parametrize(("dim", "codes"), [(1, ["LS303"]), (2, ["LS303"]), (8, [])])
def test_a_narrow_table_has_rows_of_too_few_elements(dim: int, codes: list[str]) -> None:
    sets = [f"model.value_embedding={{dim: {dim}}}", "blocks.core.value_embedding=true"]
    rule = f"{{match: {{name: value_embedding.table}}, {STD[1:]}"
    assert [
        item.code for item in check_spec(TINY, [*sets, f"quantization.rules=[{rule}, {FLOAT16}]"]).diagnostics
    ] == codes


def test_a_spec_that_cannot_be_planned_fails_expected_or_not(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    parent = Path(__file__).parents[2] / "err" / "parents" / "tiny.yaml"
    path.write_text(f"extends: {parent}\nexpect: [LS101]\nmodel: {{dim: 33}}\n")
    checked = check_spec(path)
    assert not checked.ok and checked.plan is None
    assert "LS101" in {item.code for item in checked.diagnostics if not item.expected}
