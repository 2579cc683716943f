"""Verdicts as text, as JSON and as GitHub annotations."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.fixed_grids import FIXED_GRIDS

from loopspec.compiler import load_plan
from loopspec.compiler.source.shipped import shipped_specs

BROKEN = "spec_version: 1\nextends: quickstart\nname: broken\nmodel: {dmi: 128}\n"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN)
    return path


def test_text_is_one_line_for_a_clean_spec(cli):
    result = cli("validate", "quickstart")
    plan = load_plan(shipped_specs()["quickstart.yaml"])
    size = plan.size
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        f"quickstart: ok: {plan.parameters:,} parameters, {size.predicted_bytes:,} of {size.limit_bytes:,} bytes"
        f" predicted ({size.low_bytes:,} to {size.high_bytes:,})\n"
    )


def test_text_shows_the_diagnostics_of_all_then_a_line_for_each(cli, broken):
    result = cli("validate", "quickstart", broken)
    assert result.code == 1
    blocks, verdicts = result.out.rsplit("\n\n", 1)
    assert blocks.startswith(f"{broken}:4:9: error[LS020]: ")
    assert [line.split(": ")[:2] for line in verdicts.splitlines()] == [["quickstart", "ok"], [str(broken), "not ok"]]
    assert verdicts.endswith(": not ok: 1 error\n")


def test_json_of_one_spec(cli, broken):
    result = cli("validate", broken, "--format", "json")
    value = json.loads(result.out)
    assert (result.code, result.err) == (1, "")
    assert list(value) == ["ok", "spec", "diagnostics", "budget"]
    assert (value["ok"], value["spec"], value["budget"]) == (False, str(broken), None)
    (found,) = value["diagnostics"]
    keys = {"code", "severity", "file", "line", "column", "end_column", "message", "hint", "related"}
    assert keys <= set(found)
    assert (found["code"], found["severity"], found["line"], found["column"], found["end_column"]) == (
        "LS020",
        "error",
        4,
        9,
        12,
    )


def test_json_of_a_clean_spec_has_the_budget(cli):
    value = json.loads(cli("validate", "quickstart", "--format", "json").out)
    assert value["ok"] and value["diagnostics"] == []
    assert list(value["budget"]) == ["limit_bytes", "predicted_bytes", "low_bytes", "high_bytes", "code_bytes"]


def test_json_of_several_specs_is_a_list(cli, broken):
    result = cli("validate", "quickstart", broken, "--format", "json")
    assert result.code == 1
    assert [value["ok"] for value in json.loads(result.out)] == [True, False]


def test_github_has_commands_only_on_stdout(cli, broken):
    result = cli("validate", broken, "quickstart", "--format", "github")
    assert result.code == 1
    (line,) = result.out.splitlines()
    assert line.startswith(f"::error file={broken},line=4,col=9,endColumn=11,title=LS020::")
    assert result.err.splitlines()[0] == f"{broken}: not ok: 1 error"


def test_set_changes_every_spec(cli):
    result = cli("validate", "quickstart", "--set", "budget.bytes=100000", "--set", FIXED_GRIDS)
    assert result.code == 1
    assert "LS401" in result.out and " of 100,000 bytes predicted" in result.out


def test_standard_input(cli, monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(BROKEN.encode())))
    result = cli("validate", "-")
    assert result.code == 1 and result.out.startswith("<stdin>:4:9: error[LS020]: ")


def test_standard_input_twice_is_wrong_usage(cli):
    result = cli("validate", "-", "-")
    assert (result.code, result.out) == (2, "")
    assert result.err == "loopspec: standard input (-) can stand for one spec only\n"


def test_a_name_that_is_no_spec_gets_the_nearest(cli):
    result = cli("validate", "quikstart")
    assert result.code == 1
    assert "= hint: check the path; did you mean `quickstart`?" in result.out


def test_a_folder_does_not_hide_a_shipped_spec(cli, tmp_path):
    (tmp_path / "quickstart").mkdir()
    assert cli("validate", "quickstart").code == 0


def test_a_file_hides_a_shipped_spec(cli, tmp_path):
    (tmp_path / "quickstart").write_text("name: [")
    assert cli("validate", "quickstart").code == 1


@pytest.mark.parametrize("stream_is_terminal", [True, False])
def test_colour_is_for_terminals(cli, broken, monkeypatch, stream_is_terminal):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: stream_is_terminal)
    assert ("\x1b[" in cli("validate", broken).out) is stream_is_terminal
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in cli("validate", broken).out
