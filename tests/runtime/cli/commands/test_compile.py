"""The four files, and whose they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.fixed_grids import FIXED_GRIDS

from loopspec.compiler import load_plan
from loopspec.compiler.emit.dedup import dedup_map
from loopspec.compiler.emit.source import emit_source
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.compiler.summary import plan_text

FILES = ["dedup_map.json", "model.py", "plan.txt", "spec.yaml"]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_writes_four_files_that_the_resolved_spec_gives_again(cli, tmp_path):
    result = cli("compile", "tied-15l", "-o", "build/tied")
    out = tmp_path / "build" / "tied"
    assert (result.code, result.err) == (0, "")
    assert _names(out) == FILES and _names(tmp_path / "build") == ["tied"]
    plan = load_plan(shipped_specs()["tied-15l.yaml"])
    assert (out / "model.py").read_text() == emit_source(plan)
    assert json.loads((out / "dedup_map.json").read_text()) == json.loads(json.dumps(dedup_map(plan)))
    assert (out / "plan.txt").read_text() == plan_text(plan)
    assert emit_source(load_plan(out / "spec.yaml")) == emit_source(plan)
    assert [line.split()[1] for line in result.out.splitlines()] == [
        f"build/tied/{name}" for name in ("model.py", "dedup_map.json", "plan.txt", "spec.yaml")
    ]


def test_its_own_files_are_replaced(cli, tmp_path):
    assert cli("compile", "quickstart", "-o", "out").code == 0
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert cli("compile", "quickstart", "-o", "out", "--set", "model.dim=64").code == 0
    assert load_plan(tmp_path / "out" / "spec.yaml").spec.architecture.model.dim == 64
    assert _names(tmp_path / "out") == sorted([*FILES, "notes.txt"])


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_left_alone_unless_forced(cli, tmp_path, name):
    cli("compile", "quickstart", "-o", "out")
    file = tmp_path / "out" / name
    file.write_text(file.read_text() + "\n# mine\n")
    kept = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    result = cli("compile", "quickstart", "-o", "out", "--set", "model.dim=64")
    assert (result.code, result.out) == (1, "") and f"`{name}`" in result.err
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == kept
    assert cli("compile", "quickstart", "-o", "out", "--force").code == 0
    assert "# mine" not in file.read_text()


def test_a_file_that_was_there_before_is_left_alone(cli, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.py").write_text("mine")
    assert cli("compile", "quickstart", "-o", "out").code == 1
    assert _names(tmp_path / "out") == ["model.py"]


def test_a_spec_with_problems_writes_nothing(cli, tmp_path):
    result = cli("compile", "quickstart", "-o", "out", "--set", "budget.bytes=100000", "--set", FIXED_GRIDS)
    assert (result.code, result.out) == (1, "") and "LS401" in result.err
    assert _names(tmp_path) == []


def test_an_output_that_is_a_file(cli, tmp_path):
    (tmp_path / "out").write_text("mine")
    result = cli("compile", "quickstart", "-o", "out")
    assert result.code == 1 and "is not a folder" in result.err


def test_a_write_that_fails_changes_nothing(cli, tmp_path, monkeypatch):
    cli("compile", "quickstart", "-o", "out")
    before = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    real = Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        if path.name == "plan.txt":
            raise OSError(28, "No space left on device", str(path))
        return real(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    result = cli("compile", "quickstart", "-o", "out", "--set", "model.dim=64")
    assert result.code == 2 and "no space left on device" in result.err
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == before
