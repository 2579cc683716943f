"""A module's text with only what is kept of it, as its author wrote it: comments and docstrings stay."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .reachable import Kept
from .statements import Statement, own_imports

_FUTURE = "from __future__ import annotations"


def kept_text(kept: Kept) -> str:
    """The source; "" where nothing is kept, as of a package that only holds modules.

    Imports lose the names that nothing reads. Annotations are never evaluated, whatever the module said.
    """
    pieces = [piece for statement in kept.source.statements for piece in _pieces(kept, statement)]
    if not pieces:
        return ""
    docstring = ast.get_docstring(ast.parse(kept.source.text))
    head = [f'"""{docstring}"""\n'] if docstring and "\\" not in docstring else []
    return "\n".join([*head, _FUTURE, *pieces]) + "\n"


def _pieces(kept: Kept, statement: Statement) -> Iterator[str]:
    node = statement.node
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from _import_lines(kept, node)
    elif statement in kept.statements:
        lines = kept.source.text.split("\n")
        gap = 0
        while gap < 2 and statement.first - 2 - gap >= 0 and not lines[statement.first - 2 - gap].strip():
            gap += 1
        yield "\n" * gap + "\n".join(lines[statement.first - 1 : statement.last])


def _import_lines(kept: Kept, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    own = own_imports(node, kept.source.name, package=kept.source.package)
    if not own:
        aliases = [alias for alias in node.names if _bound(alias) in kept.names]
    elif own[0][0] == "*":
        module = own[0][1].module
        aliases = [ast.alias(name) for name, binding in sorted(kept.own.items()) if binding.module == module]
    else:
        aliases = [alias for alias in node.names if _bound(alias) in kept.own]
    if aliases and isinstance(node, ast.ImportFrom):
        yield ast.unparse(ast.ImportFrom(node.module, aliases, node.level))
    elif aliases:
        yield ast.unparse(ast.Import(aliases))


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]
