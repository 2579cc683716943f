"""The plan as text, as JSON and pass by pass."""

from __future__ import annotations

import json

from support.fixed_grids import FIXED_GRIDS

from loopspec.compiler import load_plan
from loopspec.compiler.passes import PASSES
from loopspec.compiler.plan_json import plan_json
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.compiler.summary import plan_text


def test_text(cli):
    result = cli("plan", "tied-15l")
    assert (result.code, result.err) == (0, "")
    assert result.out == plan_text(load_plan(shipped_specs()["tied-15l.yaml"]))


def test_json(cli):
    result = cli("plan", "tied-15l", "--set", "model.dim=256", "--format", "json")
    plan = load_plan(shipped_specs()["tied-15l.yaml"], ["model.dim=256"])
    assert json.loads(result.out) == json.loads(json.dumps(plan_json(plan)))


def test_every_pass_can_be_dumped(cli):
    dumps = [cli("plan", "quickstart", "--dump-after", step.name).out for step in PASSES]
    assert dumps[0].startswith("positions\n") and "stores" not in dumps[0]
    assert "mode full" in dumps[1]
    assert dumps[-1].splitlines()[-1].startswith("size ")


def test_unknown_pass_lists_them(cli):
    result = cli("plan", "quickstart", "--dump-after", "bnd")
    assert (result.code, result.out) == (2, "")
    assert "did you mean `bind`?" in result.err
    assert all(f"`{step.name}`" in result.err for step in PASSES)


def test_over_budget_still_prints_the_plan(cli):
    result = cli("plan", "quickstart", "--set", "budget.bytes=100000", "--set", FIXED_GRIDS)
    assert result.code == 1
    assert ": does not fit\n" in result.out
    assert "error[LS401]" in result.err and result.err.endswith("loopspec: quickstart: 1 error\n")


def test_a_spec_without_a_plan_prints_its_problems_only(cli, tmp_path):
    (tmp_path / "x.yaml").write_text("spec_version: 1\nname: x\n")
    result = cli("plan", "x.yaml", "--format", "json")
    assert (result.code, result.out) == (1, "")
    assert "error[LS024]" in result.err
