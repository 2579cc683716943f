"""A module as the statements of its top level: what each binds, and whether it must run even if nothing reads that."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ...compiler.size.code import CodeError
from .module_text import is_own, is_package, module_text
from .references import References, is_type_checking, references

FUTURE = "__future__"
_UNUSED = "__all__"  # a star import is replaced by the names that are read
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, eq=False)
class Statement:
    """A statement with the comments above it and the docstring below it, on lines `first` to `last`, from 1.

    Attributes:
        binds: names of the module that it sets; none of an import, whose names go one by one.
        always: it does more than bind names, so it runs wherever the module is imported.
    """

    node: ast.stmt
    first: int
    last: int
    binds: tuple[str, ...]
    always: bool

    @cached_property
    def references(self) -> References:
        """What it refers to when it runs."""
        return references(self.node)


@dataclass(frozen=True, slots=True)
class Binding:
    """An imported name: `attribute` of `module`, or the module itself where that is None."""

    module: str
    attribute: str | None


@dataclass(frozen=True, eq=False)
class ModuleSource:
    """A module of this package.

    Attributes:
        imports: by name, what imports from this package bind.
        stars: modules of which all names are imported.
    """

    name: str
    package: bool
    text: str
    statements: tuple[Statement, ...]
    imports: dict[str, Binding]
    stars: tuple[str, ...]

    @cached_property
    def binding(self) -> dict[str, list[Statement]]:
        """The statements that bind a name, imports from elsewhere included."""
        found: dict[str, list[Statement]] = {}
        for statement in self.statements:
            for name in statement.binds:
                found.setdefault(name, []).append(statement)
        return found


def read_module(name: str) -> ModuleSource:
    """The module of this name.

    Raises:
        CodeError: there is none, or it imports this package's modules as `import a.b`, which nothing can follow.
    """
    return parse_source(name, module_text(name), package=is_package(name))


def parse_source(name: str, text: str, *, package: bool = False) -> ModuleSource:
    """A module given as text. Raises CodeError as `read_module`."""
    body = ast.parse(text, name).body
    imports: dict[str, Binding] = {}
    stars: list[str] = []
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for bound, binding in own_imports(node, name, package=package):
                if bound == "*":
                    stars.append(binding.module)
                else:
                    imports[bound] = binding
    external = {name for node in body for name in _external(node)}
    statements = tuple(_statements(body, text.split("\n"), external))
    return ModuleSource(name, package, text, statements, imports, tuple(stars))


def own_imports(node: ast.Import | ast.ImportFrom, name: str, *, package: bool) -> list[tuple[str, Binding]]:
    """What an import statement in module `name` binds of this package, by the bound name ("*" for all)."""
    if isinstance(node, ast.Import):
        if any(is_own(alias.name) for alias in node.names):
            raise CodeError(f"{name}, line {node.lineno}: import names of {node.names[0].name} by `from`")
        return []
    base = _base(node, name, package=package)
    if not is_own(base):
        return []
    return [(alias.asname or alias.name, Binding(base, alias.name)) for alias in node.names]


def _base(node: ast.ImportFrom, name: str, *, package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    parts = parts[: len(parts) - node.level + (1 if package else 0)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _external(node: ast.stmt) -> list[str]:
    """Names of other packages that an import binds."""
    if isinstance(node, ast.Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level and not is_own(node.module or "") and node.module != FUTURE:
        return [alias.asname or alias.name for alias in node.names]
    return []


def _statements(body: Sequence[ast.stmt], lines: Sequence[str], external: set[str]) -> list[Statement]:
    found: list[Statement] = []
    start = 1  # a statement's lines begin here at the earliest
    for index, node in enumerate(body):
        last = node.end_lineno or node.lineno
        follower = body[index + 1] if index + 1 < len(body) else None
        if isinstance(node, ast.Assign | ast.AnnAssign) and follower is not None and _is_string(follower):
            last = follower.end_lineno or last
        if not _is_string(node) and not _is_dead(node):
            first = _with_comments(node, lines, start)
            binds = _binds(node)
            found.append(Statement(node, first, last, tuple(binds), _acts(node, binds, external)))
        start = last + 1
    return found


def _with_comments(node: ast.stmt, lines: Sequence[str], start: int) -> int:
    first = min([node.lineno, *(decorator.lineno for decorator in _decorators(node))])
    while first > start and lines[first - 2].startswith("#"):
        first -= 1
    return first


def _decorators(node: ast.stmt) -> list[ast.expr]:
    return node.decorator_list if isinstance(node, _DEFINITIONS) else []


def _is_string(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_dead(node: ast.stmt) -> bool:
    """What has no effect in a script: types for checkers, and what is for running the module itself or for `*`."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
        return True
    imported = isinstance(node, ast.ImportFrom) and node.module == FUTURE
    return imported or is_type_checking(node) or _binds(node) == [_UNUSED]


def _binds(node: ast.stmt) -> list[str]:
    if isinstance(node, _DEFINITIONS):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return _external(node)
    if isinstance(node, ast.Assign):
        names = [_target_names(target) for target in node.targets]
        return [name for each in names for name in each]
    if isinstance(node, ast.AnnAssign | ast.AugAssign):
        return _target_names(node.target)
    return []


def _target_names(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Name):
        return [target.id]
    items = target.elts if isinstance(target, ast.Tuple | ast.List) else []
    return [name for item in items for name in _target_names(item)]


def _acts(node: ast.stmt, binds: Sequence[str], external: set[str]) -> bool:
    """Whether a statement does more than bind names; a decorator of this package may register what it decorates."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return False
    if isinstance(node, _DEFINITIONS):
        names = {each.id for item in _decorators(node) for each in ast.walk(item) if isinstance(each, ast.Name)}
        return not names <= external
    if isinstance(node, ast.Assign):
        return not all(isinstance(target, ast.Name | ast.Tuple | ast.List) for target in node.targets)
    return not binds
