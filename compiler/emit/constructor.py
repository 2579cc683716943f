"""Source of `__init__`: the tree of containers and sublayers that the plan's stores name, one line for equal blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ..graph.model import State, Store
from ..plan import Plan
from .names import quoted

_BY_SPEC = ("blocks", "stages")
"""Top-level containers whose children the spec names."""


@dataclass(slots=True)
class Node:
    """A store, a state, a sublayer (by its source) or a container of further nodes."""

    children: dict[str, Node] = field(default_factory=dict)
    leaf: Store | State | None = None
    sublayer: str | None = None


def constructor_lines(plan: Plan) -> list[str]:
    """Lines of the body of `__init__`, without indentation."""
    lines: list[str] = []
    for name, node in _tree(plan).children.items():
        source = _named(node) if name in _BY_SPEC else _source(node)
        lines += [f"self.{name} = {source[0]}", *source[1:]]
    return lines


def _tree(plan: Plan) -> Node:
    root = Node()
    leaves: tuple[Store | State, ...] = (*plan.graph.stores, *plan.graph.states)
    for leaf in leaves:
        node, path = root, ""
        for part in leaf.name.split("."):
            path = f"{path}.{part}" if path else part
            node = node.children.setdefault(part, Node())
            node.sublayer = plan.graph.sublayers.get(path)
            if node.sublayer is not None:
                break  # what is below belongs to the sublayer
        else:
            node.leaf = leaf
    return root


def _named(node: Node) -> list[str]:
    """Children whose names the spec gives, and so may be any word."""
    entries = (line for name, child in node.children.items() for line in _entry(f"{quoted(name)}: ", child))
    return ["Named({", *entries, "})"]


def _entry(label: str, child: Node) -> list[str]:
    """`label` and the child's source, indented, with a comma behind."""
    first, *rest = _source(child)
    lines = [f"    {label}{first}", *(f"    {line}" for line in rest)]
    return [*lines[:-1], f"{lines[-1]},"]


def _source(node: Node) -> list[str]:
    if node.leaf is not None:
        return [_tensor(node.leaf)]
    if node.sublayer is not None:
        return [node.sublayer]
    if all(name.isdigit() for name in node.children):
        return _numbered(node)
    if all(child.leaf is not None for child in node.children.values()) and len(node.children) <= 2:
        inner = ", ".join(f"{name}={_source(child)[0]}" for name, child in node.children.items())
        return [f"Part({inner})"]
    entries = (line for name, child in node.children.items() for line in _entry(f"{name}=", child))
    return ["Part(", *entries, ")"]


def _numbered(node: Node) -> list[str]:
    numbers = [int(name) for name in node.children]
    leaves = [child.leaf for child in node.children.values()]
    if all(isinstance(leaf, Store) for leaf in leaves):
        shapes = {_arguments(leaf) for leaf in leaves if leaf is not None}
        assert len(shapes) == 1, f"numbered stores of several shapes: {shapes}"
        (shape,) = shapes
        return [f"Vectors({_listed(numbers)}{', ' if shape else ''}{shape})"]
    if numbers == list(range(len(numbers))):
        return _module_list([_source(child) for child in node.children.values()])
    entries = (line for name, child in node.children.items() for line in _entry(f"{name}: ", child))
    return ["Numbered({", *entries, "})"]


def _module_list(sources: Sequence[list[str]]) -> list[str]:
    """Runs of equal modules become one comprehension."""
    lines = ["nn.ModuleList(["]
    for source, run in groupby(sources):
        count = len(list(run))
        if count == 1:
            lines += [*(f"    {line}" for line in source[:-1]), f"    {source[-1]},"]
        else:
            inner = [*source, f"for _ in range({count})"]
            lines += ["    *(", *(f"        {line}" for line in inner), "    ),"]
    return [*lines, "])"]


def _listed(numbers: list[int]) -> str:
    first, last = numbers[0], numbers[-1]
    if numbers != list(range(first, last + 1)) or len(numbers) == 1:
        return str(numbers)
    return f"range({last + 1})" if first == 0 else f"range({first}, {last + 1})"


def _tensor(leaf: Store | State) -> str:
    return f"{'empty' if isinstance(leaf, Store) else 'buffer'}({_arguments(leaf)})"


def _arguments(leaf: Store | State) -> str:
    dtype = [] if leaf.dtype == "float32" else [f"dtype=torch.{leaf.dtype}"]
    return ", ".join([*map(str, leaf.shape), *dtype])
