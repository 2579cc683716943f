"""Starters that validate as they are."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from loopspec.compiler import check_spec, load_plan
from loopspec.compiler.source.shipped import shipped_specs

SPECS = [name.removesuffix(".yaml") for name in shipped_specs() if not name.startswith("bases/")]


def test_the_starter_validates_and_is_named_after_its_file(cli, tmp_path):
    result = cli("new", "My First.yaml")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("wrote My First.yaml; next:\n  loopspec validate ")
    checked = check_spec(tmp_path / "My First.yaml")
    assert checked.diagnostics == () and checked.plain["name"] == "my-first"
    size = checked.plan.size
    assert size.predicted_bytes == size.limit_bytes  # a budget that acts: more weights than it has room for


def test_the_schema_line_points_to_a_file(cli, tmp_path):
    cli("new", "my.yaml")
    uri = re.search(r"yaml-language-server: \$schema=(\S+)", (tmp_path / "my.yaml").read_text())[1]
    assert Path(unquote(urlsplit(uri).path)).name == "spec-v1.json" and Path(unquote(urlsplit(uri).path)).is_file()


@pytest.mark.parametrize("parent", SPECS)
def test_a_child_has_its_parents_plan_even_under_its_parents_name(cli, tmp_path, parent):
    assert cli("new", f"{parent}.yaml", "--from", parent).code == 0
    child = load_plan(tmp_path / f"{parent}.yaml")
    assert child.stores == load_plan(shipped_specs()[f"{parent}.yaml"]).stores


def test_it_never_overwrites(cli, tmp_path):
    (tmp_path / "my.yaml").write_text("mine")
    result = cli("new", "my.yaml")
    assert result.code == 1 and result.err == "loopspec: my.yaml exists already; name another file, or remove it\n"
    assert (tmp_path / "my.yaml").read_text() == "mine"


def test_a_missing_folder(cli):
    result = cli("new", "none/my.yaml")
    assert result.code == 1 and "there is no folder none" in result.err


@pytest.mark.parametrize(
    ("parent", "said"), [("quikstart", "did you mean `quickstart`?"), ("challenge", "no model of its own")]
)
def test_parents_that_will_not_do(cli, tmp_path, parent, said):
    result = cli("new", "my.yaml", "--from", parent)
    assert result.code == 1 and said in result.err
    assert not (tmp_path / "my.yaml").exists()
