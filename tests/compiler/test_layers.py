"""The compiler never imports the runtime, and imports torch below `modules/` and `emit/` alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "compiler").rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_of_a_compiler_file(path: Path) -> None:
    names = imported(path)
    assert not any("runtime" in name.split(".") for name in names)
    if path.relative_to(ROOT).parts[1] not in ("modules", "emit"):
        assert not any(name.split(".")[0] == "torch" for name in names)
