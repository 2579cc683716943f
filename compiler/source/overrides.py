"""`--set path=VALUE`: changes one existing key of the merged tree."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as AbstractSequence
from dataclasses import dataclass, replace

from .diagnostic import Diagnostic, Related, error
from .nodes import Entry, Mapping, Node, Path, Scalar, Sequence, child
from .span import Span
from .wording import did_you_mean, quoted
from .yaml_reader import MAX_DEPTH, parse_yaml

KnownPath = Callable[[tuple[str | int, ...]], bool]


@dataclass(frozen=True, slots=True)
class Overridden:
    """The tree after every `--set`, the texts their places refer to, and what was wrong with them."""

    root: Mapping
    texts: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class _Override:
    steps: tuple[str, ...]
    path_span: Span
    value: Node


class _NoSuchKeyError(Exception):
    """The path leaves the tree: the step that fails and the names that would have done."""

    def __init__(self, step: str, names: list[str]) -> None:
        super().__init__(step)
        self.step = step
        self.names = names


def nothing_known(path: Path) -> bool:
    """The `known_path` of a caller without a schema: no absent key may be set."""
    return False


def apply_overrides(root: Mapping, sets: AbstractSequence[str], known_path: KnownPath) -> Overridden:
    """Apply each `a.b.0.c=VALUE` in order; VALUE is a YAML flow value, and null is a value here, not a deletion.

    A key must stand in the tree already, or be one that `known_path` says has a default (then each mapping on the way
    to it must exist or be so known too). Faults are LS017, LS018 and LS019 and leave the tree as it was.
    """
    texts: dict[str, str] = {}
    problems: list[Diagnostic] = []
    seen: dict[tuple[str, ...], Span] = {}
    for argument in sets:
        file = f"--set {argument}"
        texts[file] = argument
        override = _parse(argument, file, problems)
        if override is None:
            continue
        if override.steps in seen:
            problems.append(_set_twice(override, seen[override.steps]))
            continue
        seen[override.steps] = override.path_span
        root = _apply(root, override, known_path, problems)
    return Overridden(root, texts, tuple(problems))


def _parse(argument: str, file: str, problems: list[Diagnostic]) -> _Override | None:
    path, equals, value = argument.partition("=")
    steps = tuple(path.strip().split("."))
    span = Span(file, 1, 1, 1, max(2, len(path) + 1))
    if not equals or not value.strip() or "" in steps or len(steps) > MAX_DEPTH:
        hint = "write `--set model.dim=576`; the empty value is `null`"
        problems.append(error("LS017", span, f"{quoted(argument)} is not of the form path=value", hint))
        return None
    # blanks in place of the path give every place in the value its true column
    parsed = parse_yaml(" " * (len(path) + 1) + value, file)
    problems += parsed.diagnostics
    if parsed.node is None or parsed.diagnostics:
        return None
    if not isinstance(parsed.node, Scalar) and value.strip()[0] not in "[{":
        hint = "write `{key: value}` or `[a, b]`"
        problems.append(error("LS017", parsed.node.span, "the value must be in flow style", hint))
        return None
    return _Override(steps, span, parsed.node)


def _apply(root: Mapping, override: _Override, known_path: KnownPath, problems: list[Diagnostic]) -> Mapping:
    try:
        changed = _replace(root, (), override, known_path)
    except _NoSuchKeyError as fault:
        parent = ".".join(override.steps[: override.steps.index(fault.step)])
        where = f"{quoted(parent)} of this spec" if parent else "this spec"
        message = f"there is no {quoted(fault.step)} in {where}; --set changes keys that are there or have a default"
        hint = did_you_mean(fault.step, fault.names)
        problems.append(error("LS018", override.path_span, message, hint))
        return root
    assert isinstance(changed, Mapping)
    return changed


def _replace(node: Node, path: tuple[str | int, ...], override: _Override, known_path: KnownPath) -> Node:
    """`node` with the override's value put in below it; `path` leads to `node`."""
    if len(path) == len(override.steps):
        return override.value
    word = override.steps[len(path)]
    step: str | int = int(word) if isinstance(node, Sequence) and word.isdecimal() and len(word) < 7 else word
    below = child(node, step)
    if below is None:
        if not isinstance(node, Mapping) or not known_path((*path, step)):
            raise _NoSuchKeyError(word, _names(node))
        below = Mapping({}, override.path_span)
    changed = _replace(below, (*path, step), override, known_path)
    if isinstance(node, Sequence) and isinstance(step, int):
        return replace(node, items=(*node.items[:step], changed, *node.items[step + 1 :]))
    assert isinstance(node, Mapping) and isinstance(step, str)
    return replace(node, entries={**node.entries, step: Entry(override.path_span, changed)})


def _names(node: Node) -> list[str]:
    if isinstance(node, Mapping):
        return list(node.entries)
    return [str(index) for index in range(len(node.items))] if isinstance(node, Sequence) else []


def _set_twice(override: _Override, first: Span) -> Diagnostic:
    name = quoted(".".join(override.steps))
    related = (Related(first, "first set here"),)
    return error("LS019", override.path_span, f"--set gives {name} twice", "keep one of the two", related)
