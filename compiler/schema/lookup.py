"""Finds keys in the schema by their dotted name, for `explain KEY` and the language reference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..source.wording import did_you_mean, quoted
from . import Schema
from .fragments import find, resolve_reference, unconditional
from .values import range_text, type_text, yaml_text

ANY_NAME, ANY_ITEM = "*", "[]"


class NoDefault:
    """The type of `NO_DEFAULT`: the key has no default, as against a default of null."""

    def __repr__(self) -> str:
        return "no default"


NO_DEFAULT = NoDefault()


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What the schema says of one key.

    `path` is dotted, with `*` for a name that the user gives and `[]` for the items of a list. `range` is in words, ""
    for none; `allowed` lists the values of an enum, for a list those of its items. `variants` names what must be
    selected for the key to exist, such as `kind: unet` (empty: it always exists). `alternatives` holds the other
    definitions of a key that differs by kind.
    """

    path: str
    description: str
    type: str
    default: Any
    unit: str
    range: str
    allowed: tuple[str, ...]
    variants: tuple[str, ...]
    required: bool
    examples: tuple[str, ...] = ()
    alternatives: tuple[KeyInfo, ...] = ()


class UnknownKeyError(ValueError):
    """No key of the language has this name; the message gives the nearest."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A schema and the conditions under which it applies."""

    schema: Schema
    variants: tuple[str, ...] = ()
    required: bool = False


def lookup_key(schema: Schema, dotted: str) -> KeyInfo:
    """The key called `dotted`, such as `blocks.core.attention.heads`, `blocks.*.mlp`, `graph[].loops`, `graph.0.loops`.

    A tail that only one key of the language ends with (`attention.heads`) will do.

    Raises:
        UnknownKeyError: no such key, or a tail of several.
    """
    steps = _steps(dotted)
    path, found = _walk(schema, steps)
    if found and steps:
        return _merged(schema, path, found)
    keys = all_keys(schema)
    tails = [key for key in keys if key.path.endswith(f".{dotted}")]
    paths = sorted({key.path for key in tails})
    if len(paths) == 1:
        return replace(tails[0], alternatives=tuple(tails[1:]))
    if paths:
        raise UnknownKeyError(f"{quoted(dotted)} could be {', '.join(map(quoted, paths))}; write the whole name")
    hint = did_you_mean(dotted, list(dict.fromkeys(key.path for key in keys)))
    raise UnknownKeyError(f"the language has no key {quoted(dotted)}; {hint}")


def all_keys(schema: Schema) -> list[KeyInfo]:
    """Every key of the language in the order of the schema; one entry for each definition of a key.

    A part that contains itself is listed once.
    """
    found = _descend(schema, [_Found(schema)], "", ())
    by_path: dict[str, list[_Found]] = {}
    for path, item in found:
        by_path.setdefault(path, []).append(item)
    return [info for path, items in by_path.items() for info in _definitions(schema, path, items)]


def known_path(schema: Schema, path: Sequence[str | int]) -> bool:
    """Whether a key has a default, so that `--set` may give it a value in a spec that does not mention it."""
    steps = [ANY_ITEM if isinstance(step, int) else step for step in path]
    _, found = _walk(schema, steps)
    return any("default" in part for item in found for part in unconditional(schema, [item.schema]))


def takes_null(schema: Schema, path: Sequence[str | int]) -> bool:
    """Whether null is a value of the key ("off"), so that a child's null sets it instead of deleting the parent's."""
    steps = [ANY_ITEM if isinstance(step, int) else step for step in path]
    _, found = _walk(schema, steps)
    types = [part.get("type", ()) for item in found for part in unconditional(schema, [item.schema])]
    return any("null" in names for names in types if names != "null")


def _steps(dotted: str) -> list[str]:
    spaced = re.sub(r"\[[0-9]*\]", f".{ANY_ITEM}", dotted)
    return [ANY_ITEM if step.isdecimal() else step for step in spaced.split(".") if step]


def _walk(root: Schema, steps: Sequence[str]) -> tuple[str, list[_Found]]:
    path, found = "", [_Found(root)]
    for step in steps:
        below = _children(root, found)
        name = step if step in below else ANY_NAME
        found = below.get(name, [])
        path = _join(path, name)
    return path, found


def _join(path: str, name: str) -> str:
    return path + name if name == ANY_ITEM or not path else f"{path}.{name}"


def _children(root: Schema, found: Sequence[_Found]) -> dict[str, list[_Found]]:
    """Name -> every definition one step down, under all conditions."""
    below: dict[str, list[_Found]] = {}
    for item in _spread(root, found):
        required = item.schema.get("required", ())
        for name, schema in item.schema.get("properties", {}).items():
            below.setdefault(name, []).append(_Found(schema, item.variants, name in required))
        if isinstance(item.schema.get("additionalProperties"), dict):
            below.setdefault(ANY_NAME, []).append(_Found(item.schema["additionalProperties"], item.variants))
        for pattern, schema in item.schema.get("patternProperties", {}).items():
            below.setdefault(f"{pattern.removeprefix('^')}{ANY_NAME}", []).append(_Found(schema, item.variants))
        inner = [*item.schema.get("prefixItems", ()), item.schema.get("items")]
        items = [_Found(schema, item.variants) for schema in inner if isinstance(schema, dict)]
        if items:
            below.setdefault(ANY_ITEM, []).extend(items)
    return {name: _most_telling(root, items) for name, items in below.items()}


def _most_telling(root: Schema, found: list[_Found]) -> list[_Found]:
    """Without repeats such as `kind: {const: unet}` in a branch, which say nothing that the first does not."""
    telling = [item for item in found if any("description" in part for part in unconditional(root, [item.schema]))]
    return telling or found[:1]


def _spread(root: Schema, found: Sequence[_Found]) -> Iterator[_Found]:
    """Each schema with what `$ref`, `allOf` and every `then` add."""
    for item in found:
        for part in unconditional(root, [item.schema]):
            yield replace(item, schema=part)
            tests = part.get("if", {}).get("properties", {})
            if tests:
                labels = tuple(f"{name}: {test['const']}" for name, test in tests.items())
                yield from _spread(root, [_Found(part["then"], labels)])


def _descend(root: Schema, found: Sequence[_Found], path: str, above: tuple[int, ...]) -> Iterator[tuple[str, _Found]]:
    for name, items in _children(root, found).items():
        inner_path = _join(path, name)
        for item in items if name != ANY_ITEM else ():
            yield inner_path, item
        fresh = [item for item in items if _identity(root, item.schema) not in above]
        identities = tuple(_identity(root, item.schema) for item in fresh)
        yield from _descend(root, fresh, inner_path, (*above, *identities))


def _identity(root: Schema, schema: Schema) -> int:
    return id(resolve_reference(root, schema["$ref"])) if "$ref" in schema else id(schema)


def _merged(root: Schema, path: str, found: Sequence[_Found]) -> KeyInfo:
    first, *rest = _definitions(root, path, found)
    return replace(first, alternatives=tuple(rest))


def _definitions(root: Schema, path: str, found: Sequence[_Found]) -> list[KeyInfo]:
    """One entry for each way that a key is defined, with all the variants that define it so."""
    infos: list[KeyInfo] = []
    for item in found:
        info = _info(root, path, item)
        same = next((i for i, known in enumerate(infos) if replace(known, variants=info.variants) == info), None)
        if same is None:
            infos.append(info)
        else:
            variants = (*infos[same].variants, *info.variants)
            infos[same] = replace(info, variants=tuple(dict.fromkeys(variants)))
    return infos


def _info(root: Schema, path: str, item: _Found) -> KeyInfo:
    parts = unconditional(root, [item.schema])
    has_default = any("default" in part for part in parts)
    const = find(parts, "const")
    allowed = find(parts, "enum") or ([const] if const is not None else [])
    types = find(parts, "type") or _types_of(allowed)
    if not allowed and (items := find(parts, "items")):
        allowed = find(unconditional(root, [items]), "enum") or []
    return KeyInfo(
        path=path,
        description=find(parts, "description") or "",
        type=type_text(types) if types else "",
        default=find(parts, "default") if has_default else NO_DEFAULT,
        unit=find(parts, "unit") or "",
        range=range_text(parts),
        allowed=tuple(yaml_text(value) for value in allowed),
        variants=item.variants,
        required=item.required,
        examples=tuple(yaml_text(value) for value in find(parts, "examples") or ()),
    )


def _types_of(values: Sequence[object]) -> list[str]:
    words = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return list(dict.fromkeys(words[type(value)] for value in values))
