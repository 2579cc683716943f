"""Emitted source: its golden text, and that it holds nothing unused and nothing unknown."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from support.golden_text import PLANS, check_golden_text
from support.random_specs import specs
from support.small_specs import plan_of

from loopspec.compiler import load_plan
from loopspec.compiler.emit.source import emit_source
from loopspec.compiler.source.shipped import shipped_specs

SHIPPED = {name: path for name, path in shipped_specs().items() if not name.startswith("bases/")}


@pytest.mark.parametrize("name", ["looped", "tied"])
def test_the_source_is_the_golden(name: str) -> None:
    check_golden_text(f"{name}.model.txt", emit_source(load_plan(PLANS / f"{name}.yaml")))


def _loads(node: ast.AST) -> Iterator[str]:
    yield from (each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load))


def unused_assignments(method: ast.FunctionDef) -> set[str]:
    """Names assigned in a straight line of code and not read before they are assigned again."""
    waiting: set[str] = set()
    unused: set[str] = set()
    for statement in method.body:
        waiting -= set(_loads(statement))
        if isinstance(statement, ast.Assign):
            assert isinstance(statement.targets[0], ast.Name)
            unused |= {statement.targets[0].id} & waiting
            waiting.add(statement.targets[0].id)
    return unused | waiting


def check_names(source: str) -> None:
    tree = ast.parse(source)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= set(_loads(tree)), f"unused imports: {imported - set(_loads(tree))}"
    (model,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    for method in (node for node in model.body if isinstance(node, ast.FunctionDef)):
        if method.name.startswith("_mode_"):
            assert unused_assignments(method) == set(), method.name
            assert isinstance(method.body[-1], ast.Return)
        stored = {node.id for node in ast.walk(method) if isinstance(node, ast.Name)} - set(_loads(method))
        arguments = {argument.arg for argument in method.args.args}
        known = imported | arguments | stored | set(dir(builtins)) | _stored(method)
        assert set(_loads(method)) <= known, f"unknown names: {set(_loads(method)) - known}"


def _stored(method: ast.FunctionDef) -> set[str]:
    return {node.id for node in ast.walk(method) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_uses_all_that_it_names(name: str) -> None:
    check_names(emit_source(load_plan(SHIPPED[name])))


@given(specs())
@settings(max_examples=12, deadline=None, derandomize=True)
def test_a_random_model_uses_all_that_it_names(plain: dict[str, Any]) -> None:
    check_names(emit_source(plan_of(plain)))


def test_the_checker_of_names_finds_what_is_unused() -> None:
    method = ast.parse("def f(a):\n x = a\n y = x\n x = a\n x = y\n return y").body[0]
    assert isinstance(method, ast.FunctionDef)
    assert unused_assignments(method) == {"x"}
    with pytest.raises(AssertionError, match=r"unused imports: \{'torch'\}"):
        check_names("import torch\nclass A:\n def f(self): return self")
    with pytest.raises(AssertionError, match=r"unknown names: \{'h'\}"):
        check_names("class A:\n def f(self): return h")


def test_equal_plans_give_equal_text() -> None:
    path = PLANS / "looped.yaml"
    assert emit_source(load_plan(path)) == emit_source(load_plan(path))
