"""A key of the language as text, from the schema."""

from __future__ import annotations

import textwrap
from functools import cache

from ...compiler.schema import load_schema
from ...compiler.schema.lookup import NO_DEFAULT, KeyInfo, UnknownKeyError, all_keys, lookup_key
from .errors import UserError
from .yaml_flow import flow_text

_WIDTH = 79


def key_text(name: str) -> str:
    """What the schema says of a key, of each of its variants, and the keys below it.

    Raises:
        UserError: no such key; the message gives the nearest.
    """
    try:
        info = lookup_key(load_schema(), _with_items(name))
    except UnknownKeyError as fault:
        raise UserError(str(fault)) from None
    parts = [_definition(item) for item in (info, *info.alternatives)]
    below = _below(info.path)
    return "\n".join([info.path, "\n".join(parts), *([f"  keys\n{below}"] if below else [])])


def sections_text() -> str:
    """The top-level keys with the first sentence of each."""
    keys = [info for info in _keys() if "." not in info.path and "[" not in info.path]
    return "sections of a spec\n" + _listed([(info.path, info) for info in keys])


@cache
def _keys() -> tuple[KeyInfo, ...]:
    return tuple(all_keys(load_schema()))


def _with_items(name: str) -> str:
    """`graph.skips` as `graph[].skips`: the marks of list items may be left out."""
    keys = {info.path for info in _keys()}
    return next((key for key in sorted(keys) if key.replace("[]", "") == name), name)


def _definition(info: KeyInfo) -> str:
    lines = textwrap.wrap(info.description, _WIDTH - 2)
    facts = {
        "only with": ", or ".join(info.variants),
        "type": info.type,
        "allowed": ", ".join(info.allowed),
        "range": info.range,
        "unit": info.unit,
        "default": _default(info),
        "examples": ", ".join(info.examples),
    }
    for label, fact in facts.items():
        lines += textwrap.wrap(fact, _WIDTH - 2, initial_indent=f"{label:<11}", subsequent_indent=" " * 11)
    return "".join(f"  {line}\n" for line in lines)


def _default(info: KeyInfo) -> str:
    if info.default is NO_DEFAULT:
        return "none: the key is required" if info.required else "none: the key may be left out"
    return flow_text(info.default)


def _below(path: str) -> str:
    """The keys one step below `path`, whether that is a mapping, a list of mappings or names of the user's choice."""
    heads = tuple(f"{path}{step}." for step in ("", "[]", ".*"))
    found: dict[str, KeyInfo] = {}
    for info in _keys():
        for head in heads:
            rest = info.path.removeprefix(head)
            if rest != info.path and rest != "*" and not set(rest) & set(".["):
                found.setdefault(info.path.removeprefix(path).removeprefix("."), info)
    return _listed(list(found.items()))


def _listed(rows: list[tuple[str, KeyInfo]]) -> str:
    width = max((len(name) for name, _ in rows), default=0) + 4
    lines: list[str] = []
    for name, info in rows:
        sentence = info.description.split(". ")[0].rstrip(".")
        head = f"    {name}".ljust(width + 2)
        wrapped = textwrap.wrap(sentence, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
        lines += wrapped or [head.rstrip()]
    return "".join(f"{line}\n" for line in lines)
