"""What a piece of code refers to when it runs: names, attributes of names, and imports inside functions.

Annotations do not count: every source of a script has `from __future__ import annotations`, so none is evaluated.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

# a dataclass looks for these among its annotations, as text, and then in the module
_READ_IN_ANNOTATIONS = frozenset({"ClassVar", "InitVar", "KW_ONLY"})


@dataclass(slots=True)
class References:
    """All of a statement's references.

    Attributes:
        names: used by themselves, in whatever scope: some are local, which keeps too much and never too little.
        attributes: `name.attribute`, by name.
        imports: statements below the top level.
    """

    names: set[str] = field(default_factory=set)
    attributes: set[tuple[str, str]] = field(default_factory=set)
    imports: list[ast.ImportFrom | ast.Import] = field(default_factory=list)


def references(node: ast.stmt) -> References:
    """The references of a statement of a module."""
    found = References()
    _collect(node, found)
    return found


def _collect(node: ast.AST, found: References) -> None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        found.attributes.add((node.value.id, node.attr))
    elif isinstance(node, ast.Name):
        found.names.add(node.id)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        found.imports.append(node)
    elif not is_type_checking(node):
        _collect_children(node, found)


def _collect_children(node: ast.AST, found: References) -> None:
    for name, value in ast.iter_fields(node):
        items = value if isinstance(value, list) else [value]
        for item in items:
            if not isinstance(item, ast.AST):
                continue
            if name in ("annotation", "returns"):
                named = {each.id for each in ast.walk(item) if isinstance(each, ast.Name)}
                found.names |= named & _READ_IN_ANNOTATIONS
            else:
                _collect(item, found)


def is_type_checking(node: ast.AST) -> bool:
    """Whether the node is `if TYPE_CHECKING:`, which never runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
