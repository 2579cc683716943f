"""Follows `extends` from a child to its oldest ancestor and merges the chain."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from .diagnostic import Diagnostic, error
from .files import STDIN, SourceText, read_source
from .merge import TakesNull, merge
from .nodes import Mapping, Node, Scalar
from .shipped import find_shipped, shipped_specs
from .span import Span, point
from .wording import did_you_mean, quoted
from .yaml_reader import parse_yaml

MAX_CHAIN = 8
KEY = "extends"


@dataclass(slots=True)
class Chain:
    """What was read so far. `complete` turns False when some file could not be read or parsed to its end."""

    texts: dict[str, str] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Link:
    """One file of the chain: how it is shown, and what it really is."""

    name: str
    real: str


def read_chain(path: str | Path, chain: Chain, takes_null: TakesNull) -> Mapping:
    """The merged tree of `path` and its ancestors, without the key `extends`; problems go to `chain`."""
    links: list[_Link] = []
    trees: list[Mapping] = []
    target: str | Path | None = path
    said: Span | None = None
    while target is not None:
        link = _Link(str(target), _real(target))
        refusal = _refuse_link(link, links, said)
        if refusal is not None:
            _fail(chain, refusal)
            break
        links.append(link)
        tree = _read_tree(target, said, chain)
        if tree is None:
            break
        trees.append(tree)
        target, said = _parent(tree, target, chain)
    return _merge_all(trees, chain, takes_null) if trees else Mapping({}, point(str(path)))


def _real(target: str | Path) -> str:
    """What tells two files apart; "" for standard input."""
    if str(target) == STDIN:
        return ""
    try:
        return os.path.realpath(target)
    except ValueError:  # a path that no file can have; reading it gives the diagnostic
        return str(target)


def _merge_all(trees: list[Mapping], chain: Chain, takes_null: TakesNull) -> Mapping:
    """`trees` from child to ancestor, as one."""
    merged = _without_extends(trees[-1])
    for tree in reversed(trees[:-1]):
        merged, problems = merge(merged, _without_extends(tree), takes_null)
        if chain.complete:  # else the missing parent may well hold what a null deletes
            chain.problems += problems
    return merged


def _without_extends(tree: Mapping) -> Mapping:
    return replace(tree, entries={key: entry for key, entry in tree.entries.items() if key != KEY})


def _read_tree(target: str | Path, said: Span | None, chain: Chain) -> Mapping | None:
    """The tree of one file, or None with the reason in `chain`; an unreadable parent is reported where it is named."""
    source = read_source(target)
    if source.diagnostics:
        if said is None or source.text:
            chain.texts[source.file] = source.text
        _fail(chain, *(_unreadable_parent(item, said) for item in source.diagnostics))
        return None
    chain.texts[source.file] = source.text
    parsed = parse_yaml(source.text, source.file)
    chain.problems += parsed.diagnostics
    if parsed.node is None:
        chain.complete = False
        return None
    if not isinstance(parsed.node, Mapping):
        _fail(chain, _not_a_mapping(parsed.node, source))
        return None
    return parsed.node


def _unreadable_parent(item: Diagnostic, said: Span | None) -> Diagnostic:
    return replace(item, span=said) if said is not None and item.code in ("LS001", "LS002") else item


def _not_a_mapping(node: Node, source: SourceText) -> Diagnostic:
    span = point(source.file) if node.span.empty else node.span
    return error("LS005", span, "a spec must be a mapping of keys to values", "start with `spec_version: 1`")


def _refuse_link(link: _Link, links: list[_Link], said: Span | None) -> Diagnostic | None:
    names = [earlier.name for earlier in links]
    shown = " -> ".join(quoted(name) for name in [*names, link.name])
    if said is None:
        return None
    if link.real in [earlier.real for earlier in links]:
        return error("LS015", said, f"`extends` goes in a circle: {shown}", "let one of them stand alone")
    if len(links) > MAX_CHAIN:
        return error("LS015", said, f"more than {MAX_CHAIN} specs extend one another: {shown}", "flatten the chain")
    return None


def _parent(tree: Mapping, child: str | Path, chain: Chain) -> tuple[Path | None, Span | None]:
    """Path of the parent and the place that names it; (None, None) for the oldest ancestor or a fault."""
    entry = tree.entries.get(KEY)
    if entry is None:
        return None, None
    node = entry.value
    span = entry.key_span if node.span.empty else node.span
    if not (isinstance(node, Scalar) and isinstance(node.value, str) and node.value):
        hint = "write `extends: other.yaml`; a spec has one parent"
        _fail(chain, error("LS014", span, "`extends` must be the path or name of one spec", hint))
        return None, None
    folder = Path() if str(child) == STDIN else Path(child).parent
    found = _locate(node.value, folder)
    if found is None:
        _fail(chain, _not_found(node.value, folder, span))
        return None, None
    return found, span


def _locate(name: str, folder: Path) -> Path | None:
    """The file beside the child, else the shipped spec of that name."""
    beside = Path(os.path.normpath(folder / name))
    if "\0" in name:
        return None
    if os.path.lexists(beside) and not (beside.is_dir() and len(PurePath(name).parts) == 1):
        return beside  # a folder that happens to have the name of a shipped spec does not hide it
    return find_shipped(name, shipped_specs())


def _not_found(name: str, folder: Path, span: Span) -> Diagnostic:
    """LS014 with the nearest name among the neighbours and the shipped specs."""
    hint = did_you_mean(name, [*_neighbours(Path(name).parent, folder), *shipped_specs()])
    message = f"the parent {quoted(name)} is neither a file beside this spec nor a spec of the package"
    return error("LS014", span, message, hint)


def _neighbours(within: Path, folder: Path) -> list[str]:
    """Specs in `within`, a folder beside the child; none where no folder can have that name."""
    beside = folder / within
    try:
        return sorted(str(within / item.name) for item in beside.glob("*.y*ml")) if beside.is_dir() else []
    except OSError:  # a name that is too long
        return []


def _fail(chain: Chain, *problems: Diagnostic) -> None:
    chain.problems += problems
    chain.complete = False
