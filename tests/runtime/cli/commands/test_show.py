"""Specs as written and as understood."""

from __future__ import annotations

import pytest

from loopspec.compiler import check_spec
from loopspec.compiler.plan_json import plan_json
from loopspec.compiler.source.shipped import shipped_specs

SPECS = [name for name in shipped_specs() if not name.startswith("bases/")]


@pytest.mark.parametrize("name", SPECS)
def test_resolved_text_stands_alone_and_has_the_same_plan(cli, tmp_path, name):
    result = cli("show", name, "--resolved")
    copy = tmp_path / "copy.yaml"
    copy.write_text(result.out)
    original, again = check_spec(shipped_specs()[name]), check_spec(copy)
    assert (result.code, bool(result.err)) == (0, bool(original.diagnostics))
    assert again.ok and again.plain == original.plain and "extends" not in result.out.split()
    assert original.plan is not None and again.plan is not None
    assert plan_json(again.plan) == plan_json(original.plan)


def test_resolved_paths_are_spelled_out(cli):
    result = cli("show", "cycle-3x9", "--resolved")
    assert "    # path: 0 1 2 0 1 2 0 1 2\n    path:\n      cycle: 9\n" in result.out


def test_long_paths_wrap(cli, tmp_path):
    result = cli("show", "cycle-3x9", "--resolved", "--set", "graph.0.path.cycle=60")
    lines = [line for line in result.out.splitlines() if line.startswith("    #")]
    assert len(lines) == 2 and max(map(len, lines)) < 80
    assert " ".join(lines).replace("#", "").replace("path:", "").split() == ["0", "1", "2"] * 20


def test_set_is_applied_to_the_resolved_spec(cli):
    assert "  dim: 96\n" in cli("show", "quickstart", "--resolved", "--set", "model.dim=96").out


def test_source_names_its_parents(cli):
    result = cli("show", "cycle-3x9")
    assert (result.code, result.err) == (0, "")
    comment, _, text = result.out.partition("\n\n")
    names = [line.split()[-1].rpartition("specs/")[2] for line in comment.splitlines()]
    assert names == ["cycle-3x9.yaml", "baseline-9l.yaml", "bases/challenge.yaml"]
    assert text == shipped_specs()["cycle-3x9.yaml"].read_text()


def test_set_without_resolved_is_wrong_usage(cli):
    result = cli("show", "quickstart", "--set", "model.dim=96")
    assert (result.code, result.out) == (2, "") and "--resolved" in result.err


def test_a_broken_source_is_shown_beside_its_problems(cli, tmp_path):
    (tmp_path / "x.yaml").write_text("name: [\n")
    result = cli("show", "x.yaml")
    assert result.code == 1
    assert result.out == "# x.yaml\n\nname: [\n" and "error[LS004]" in result.err


def test_a_missing_source(cli):
    result = cli("show", "none.yaml")
    assert (result.code, result.out) == (1, "") and "error[LS001]" in result.err
