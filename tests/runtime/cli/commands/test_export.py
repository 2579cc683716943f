"""The script as a file: what is printed of it, and what it never replaces."""

from __future__ import annotations

import pytest

from loopspec.compiler.size.code import CodeBytes, wrapped
from loopspec.runtime.cli.commands import export
from loopspec.runtime.standalone import sources

SOURCES = {"main": "import sys\nprint(sys.argv[1:])\n"}


@pytest.fixture
def small(monkeypatch):
    """In place of the sources of a script, which `standalone` tests."""
    monkeypatch.setattr(export, "script_sources", lambda plan: SOURCES)
    monkeypatch.setattr(sources, "script_bytes", lambda plan: CodeBytes(3000, 2000, 1000))
    return wrapped(SOURCES, "main")


def test_it_writes_the_script_and_says_its_bytes(cli, tmp_path, small):
    result = cli("export", "quickstart", "-o", "build/script.py")
    assert (result.code, result.err) == (0, "")
    assert (tmp_path / "build" / "script.py").read_text() == small
    minified = len("import sys\nprint(sys.argv[1:])\n")
    assert result.out == (
        f"wrote build/script.py ({len(small):,} bytes; of {minified} minified, {minified} readable)\n"
    )


def test_more_than_the_spec_counts_is_said(cli, small):
    result = cli("export", "quickstart", "-o", "script.py", "--set", "budget.code_bytes=100")
    assert result.code == 0
    assert result.err == f"budget.code_bytes is 100: {len(small) - 100:,} bytes less than this script takes\n"


def test_its_own_file_is_replaced_and_no_other(cli, tmp_path, small):
    path = tmp_path / "script.py"
    assert cli("export", "quickstart", "-o", path).code == 0
    assert cli("export", "quickstart", "-o", path).code == 0
    path.write_text("mine")
    result = cli("export", "quickstart", "-o", path)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"loopspec: export did not write {path}; give another -o, or --force\n"
    assert path.read_text() == "mine" and [each.name for each in tmp_path.iterdir()] == ["script.py"]
    assert cli("export", "quickstart", "-o", path, "--force").code == 0 and path.read_text() == small


def test_a_folder_or_a_link_is_left_alone(cli, tmp_path, small):
    (tmp_path / "folder").mkdir()
    assert "is a folder; give a file" in cli("export", "quickstart", "-o", "folder", "--force").err
    (tmp_path / "real.py").write_text(small)
    (tmp_path / "link.py").symlink_to("real.py")
    assert "export did not write link.py" in cli("export", "quickstart", "-o", "link.py").err


def test_a_spec_with_problems_writes_nothing(cli, tmp_path):
    result = cli("export", "quickstart", "-o", "script.py", "--set", "model.dim=130")
    assert (result.code, result.out) == (1, "") and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "line"),
    [(1000, "within budget.code_bytes"), (400, "600 MORE than budget.code_bytes counts")],
)
def test_plan_shows_the_script_beside_what_the_spec_counts(cli, small, given, line):
    result = cli("plan", "quickstart", "--code", "--set", f"budget.code_bytes={given}")
    assert (
        f"\n  script              1,000   {line}\n                      2,000 minified, 3,000 readable\n" in result.out
    )
    assert '"script": {\n    "readable": 3000,' in cli("plan", "quickstart", "--code", "--format", "json").out
    assert "script" not in cli("plan", "quickstart").out


def test_code_has_no_place_in_a_dump(cli):
    result = cli("plan", "quickstart", "--code", "--dump-after", "bind")
    assert result.code == 2 and "give one of them" in result.err
