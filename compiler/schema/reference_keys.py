"""The key tables of the language reference, from the schema."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ..source.canonical import resolved_yaml
from ..source.nodes import Plain
from . import load_schema
from .lookup import NO_DEFAULT, KeyInfo, all_keys

TOP_LEVEL = "top-level"
SHARED = {
    "init": "model.embedding.init",
    "adamw": "train.optimizer.embeddings",
    "path": "graph[].path",
    "where": "graph[].place.xsa",
    "private": "graph[].private.mlp",
}
"""Mappings that stand in several places and have a table of their own, each with one of its places."""
REPEATED = {"attention": "blocks.*.attention", "mlp": "blocks.*.mlp", "residual": "blocks.*.residual"}
"""Mappings that stand in several places of one section and are listed at this one."""
LONGEST_DEFAULT = 60


def keys_table(section: str) -> str:
    """The keys of a section (a key with all below it, or `top-level`), named below it, in the order of the schema."""
    if section == TOP_LEVEL:
        return _table([(key.path, key) for key in _keys() if not set(".[") & set(key.path)])
    rows = [(below(key.path, section), key) for key in _keys() if below(key.path, section) and not _elsewhere(key.path)]
    about = [key.description for key in _keys() if key.path == section]
    return "\n\n".join([*about[:1], _table(rows)])


def shared_table(name: str) -> str:
    """The keys of a mapping that stands in several places, and the places."""
    home = SHARED[name]
    places = dict.fromkeys(key.path for key in _keys() if shared_name(key.path) == name)
    rows = [(below(key.path, home), key) for key in _keys() if below(key.path, home)]
    about = load_schema()["$defs"].get(name, {}).get("description", "")
    return "\n\n".join([f"In {', '.join(f'`{place}`' for place in places)}. {about}".rstrip(), _table(rows)])


def default_block(path: str) -> str:
    """The default of a key that is a list, as a block of YAML that a spec could hold."""
    items = next(key for key in _keys() if key.path == path).default
    *above, name = path.split(".")
    lines = [f"{'  ' * depth}{step}:" for depth, step in enumerate([*above, name])]
    lines += [f"{'  ' * (len(above) + 1)}- {_flow(item)}" for item in items]
    return "\n".join(["```yaml", *lines, "```"])


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns line up in a terminal, but for the last."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header) - 1)]
    lines.insert(1, ["-" * width for width in widths] + ["---"])
    padded = ([cell.ljust(width) for cell, width in zip(line, [*widths, 0], strict=True)] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def below(path: str, above: str) -> str:
    """The rest of a path below another, "" where it does not lie there."""
    rest = path.removeprefix(above)
    return rest.removeprefix(".") if rest != path and rest[:1] in (".", "[") else ""


@cache
def shared_name(path: str) -> str | None:
    """Name of the mapping under which the keys of `path` are listed; None: where `path` stands."""
    for name, home in (SHARED | REPEATED).items():
        if path == home:
            return name if name in SHARED else None
        if _shape(path) == _shape(home):
            return name
    return None


@cache
def _keys() -> tuple[KeyInfo, ...]:
    return tuple(all_keys(load_schema()))


@cache
def _shape(path: str) -> tuple[tuple[str, ...], ...]:
    """The keys below a path without what may differ from place to place: defaults, and which are required."""
    rows = [(below(key.path, path), key) for key in _keys()]
    return tuple((rest, key.description, key.type, key.unit, key.range, *key.allowed) for rest, key in rows if rest)


def _elsewhere(path: str) -> bool:
    """Whether a key lies in a mapping that is listed in another table."""
    steps = path.split(".")
    return any(shared_name(".".join(steps[:length])) for length in range(1, len(steps)))


def _table(rows: Sequence[tuple[str, KeyInfo]]) -> str:
    """One row a key; columns in which no key has anything are left out."""
    header = ["key", "kind", "type", "default", "unit", "allowed", "meaning"]
    cells = [[f"`{name}`", *_facts(key)] for name, key in rows]
    used = [column for column in range(len(header)) if any(line[column] for line in cells)]
    return markdown_table([header[column] for column in used], [[line[column] for column in used] for line in cells])


def _facts(key: KeyInfo) -> list[str]:
    kinds = ", ".join(f"`{variant.removeprefix('kind: ')}`" for variant in key.variants)
    allowed = ", ".join(f"`{value}`" for value in key.allowed) or key.range
    meaning = key.description.replace("<", "&lt;").replace("*", "\\*")
    return [kinds, _type(key), _default(key), key.unit, allowed, meaning]


def _type(key: KeyInfo) -> str:
    name = shared_name(key.path)
    if name is not None:
        return f"[{name}](#shared-{name})" if name in SHARED else f"keys of `{name}`"
    return key.type.removeprefix("a ").replace(" or a ", " or ").replace(", a ", ", ") or "anything"


def _default(key: KeyInfo) -> str:
    if key.required:
        return "**required**"
    if key.default is NO_DEFAULT:
        return ""
    text = _flow(key.default)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "shown above"


def _flow(plain: Plain) -> str:
    """A plain value on one line of YAML."""
    if isinstance(plain, dict):
        return f"{{{', '.join(f'{key}: {_flow(value)}' for key, value in plain.items())}}}"
    if isinstance(plain, list):
        return f"[{', '.join(map(_flow, plain))}]"
    return resolved_yaml({"x": plain}).removeprefix("x: ").rstrip("\n")
