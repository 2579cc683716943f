"""Emitted source: its golden text, and that it holds nothing unused and nothing unknown."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from support.examples import examples
from support.golden_text import PLANS, check_golden_text
from support.random_specs import specs
from support.small_specs import plan_of

from loopspec.compiler import load_plan
from loopspec.compiler.emit.source import emit_source
from loopspec.compiler.source.shipped import shipped_specs

SHIPPED = {name: path for name, path in shipped_specs().items() if not name.startswith("bases/")}


@pytest.mark.parametrize("name", ["looped", "tied", "varied"])
def test_the_source_is_the_golden(name: str) -> None:
    check_golden_text(f"{name}.model.txt", emit_source(load_plan(PLANS / f"{name}.yaml")))


def _loads(node: ast.AST) -> Iterator[str]:
    yield from (each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load))


def unused_assignments(method: ast.FunctionDef) -> set[str]:
    """Names that a method assigns and does not read before they are assigned again."""
    return _unused(method.body, set())[0]


def _unused(statements: list[ast.stmt], live: set[str]) -> tuple[set[str], set[str]]:
    """Names assigned in vain, and those that are read later than the start, given those read after the end."""
    unused: set[str] = set()
    for statement in reversed(statements):
        if isinstance(statement, ast.If):
            assert not statement.orelse
            inner, started = _unused(statement.body, live)
            unused |= inner
            live = live | started | set(_loads(statement.test))
        elif isinstance(statement, ast.FunctionDef):  # of a checkpointed position
            inner, _ = _unused(statement.body, set())
            unused |= inner
            parameters = {argument.arg for argument in statement.args.args}
            own = parameters | _stored(statement)
            assert parameters <= set(_loads(statement)), f"{statement.name} does not read all its inputs"
            live = live - {statement.name} | set(_loads(statement)) - own
        else:
            assigned = _stored(statement)
            unused |= assigned - live
            live = live - assigned | set(_loads(statement))
    return unused, live


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
        if method.name.startswith(("_mode_", "_training_")):
            assert unused_assignments(method) == set(), method.name
            assert isinstance(method.body[-1], ast.Return)
        arguments = {argument.arg for argument in method.args.args}
        functions = [node for node in ast.walk(method) if isinstance(node, ast.FunctionDef)]
        arguments |= {argument.arg for node in functions for argument in node.args.args}
        arguments |= {node.name for node in functions}
        known = imported | arguments | set(dir(builtins)) | _stored(method)
        assert set(_loads(method)) <= known, f"unknown names: {set(_loads(method)) - known}"


def _stored(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_uses_all_that_it_names(name: str) -> None:
    check_names(emit_source(load_plan(SHIPPED[name])))


@given(specs())
@examples(12, derandomize=True)
def test_a_random_model_uses_all_that_it_names(plain: dict[str, Any]) -> None:
    check_names(emit_source(plan_of(plain)))


def test_the_checker_of_names_finds_what_is_unused() -> None:
    method = ast.parse("def f(a):\n x = a\n y = x\n x = a\n x = y\n return y").body[0]
    assert isinstance(method, ast.FunctionDef)
    assert unused_assignments(method) == {"x"}
    branch = ast.parse("def f(a):\n x = a\n y, z = x\n if y:\n  x = y\n  b = x\n return x").body[0]
    assert isinstance(branch, ast.FunctionDef)
    assert unused_assignments(branch) == {"z", "b"}  # the first x is read where the branch is not taken
    with pytest.raises(AssertionError, match=r"unused imports: \{'torch'\}"):
        check_names("import torch\nclass A:\n def f(self): return self")
    with pytest.raises(AssertionError, match=r"unknown names: \{'h'\}"):
        check_names("class A:\n def f(self): return h")


@pytest.mark.parametrize("name", ["looped", "tied", "varied"])
def test_lines_are_short_and_no_variable_is_named_by_a_bare_count(name: str) -> None:
    source = emit_source(load_plan(PLANS / f"{name}.yaml"))
    assert max(map(len, source.splitlines())) <= 120
    numbered = set(re.findall(r"^ +(\w+_\d+)(?:, \w+)* = ", source, re.MULTILINE))
    positions = {match for match in numbered if re.fullmatch(r"(x_after|lane_after|h|v|first_values)_\d+", match)}
    assert all(re.fullmatch(r"rotary_\d+|\w+_(loop|extra)_\d+", name) for name in numbered - positions)


def test_a_call_that_is_too_long_has_an_argument_a_line() -> None:
    source = emit_source(load_plan(PLANS / "varied.yaml"))
    wrapped = [
        "        h = open_blocks[0].attention(",
        "            h,",
        "            rotary=rotary,",
        "            query_delta_down=last_stage.attention_delta[2].query_delta_down,",
        "            query_delta_up=last_stage.attention_delta[2].query_delta_up,",
        "        )",
    ]
    assert "\n".join(wrapped) in source


def test_equal_plans_give_equal_text() -> None:
    path = PLANS / "looped.yaml"
    assert emit_source(load_plan(path)) == emit_source(load_plan(path))
