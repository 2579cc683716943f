"""Which parts of a schema apply to a value: follows `$ref`, `allOf` and `if/then/else`.

The schema is draft 2020-12 within `KEYWORDS`: no anyOf or oneOf, and an `if` tests a `type`, or `properties` against
`const` or `enum`. Every part that applies must hold, so a value is checked against a flat list of parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from . import Schema

KEYWORDS = frozenset(
    {
        "$schema",
        "$id",
        "$comment",
        "$defs",
        "$ref",
        "title",
        "description",
        "default",
        "unit",
        "examples",
        "deprecated",
        "type",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "properties",
        "required",
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "allOf",
        "if",
        "then",
        "else",
    }
)
_ABOUT_KEYS = ("properties", "patternProperties", "additionalProperties", "unevaluatedProperties")
_CONDITIONS = frozenset({"properties", "required", "type"})
_SCHEMA_MAPS = ("properties", "patternProperties", "$defs")
_SCHEMA_LISTS = ("allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "propertyNames", "then", "else")


def resolve_reference(root: Schema, reference: str) -> Schema:
    """The schema at a local JSON pointer such as `#/$defs/block`."""
    assert reference.startswith("#"), f"{reference}: only references within the schema"
    found: Any = root
    for step in reference[1:].split("/")[1:]:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    assert isinstance(found, dict), reference
    return found


def unconditional(root: Schema, schemas: Iterable[Schema]) -> list[Schema]:
    """The schemas themselves with what `$ref` and `allOf` add, nearest first; no branch of an `if`."""
    parts = list(schemas)
    for part in parts:  # grows while it is walked
        if "$ref" in part:
            parts.append(resolve_reference(root, part["$ref"]))
        parts.extend(part.get("allOf", ()))
    return parts


def applying(root: Schema, schemas: Iterable[Schema], value: object) -> list[Schema]:
    """Every part that applies to `value` (plain; of a mapping only the scalars under its keys are looked at).

    A missing key counts as its default, so that `kind` may be left out where it has one.
    """
    parts = unconditional(root, schemas)
    if isinstance(value, dict):
        value = {**_defaults(root, parts), **value}
    branches = [part.get("then" if matches(part["if"], value) else "else") for part in parts if "if" in part]
    chosen = [branch for branch in branches if branch is not None]
    return parts + applying(root, chosen, value) if chosen else parts


def matches(condition: Schema, value: object) -> bool:
    """Whether an `if` holds."""
    if "type" in condition and not is_type(value, condition["type"]):
        return False
    if not isinstance(value, dict):
        return "properties" not in condition and "required" not in condition
    if any(name not in value for name in condition.get("required", ())):
        return False
    tests = condition.get("properties", {}).items()
    return all(name not in value or same(value[name], test) for name, test in tests)


def same(value: object, test: Schema) -> bool:
    """Whether a value is the `const`, or one of the `enum`, of `test`; True and 1 differ."""
    allowed: Sequence[object] = [test["const"]] if "const" in test else test.get("enum", [value])
    return any(value == item and isinstance(value, bool) == isinstance(item, bool) for item in allowed)


def is_type(value: object, names: str | Sequence[str]) -> bool:
    """Whether a plain value has one of the JSON types; true is no number and 3.0 no integer."""
    return any(_has_type(value, name) for name in ([names] if isinstance(names, str) else names))


def _has_type(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, int):
        return name in ("integer", "number")
    words = {float: "number", str: "string", list: "array", dict: "object", type(None): "null"}
    return words[type(value)] == name


def find(parts: Iterable[Schema], keyword: str) -> Any:  # noqa: ANN401 - the type depends on the keyword
    """The first value of a keyword among the parts."""
    return next((part[keyword] for part in parts if keyword in part), None)


def property_schemas(parts: Iterable[Schema]) -> dict[str, list[Schema]]:
    """Key -> the schemas that the parts give it, in the order of the schema."""
    found: dict[str, list[Schema]] = {}
    for part in parts:
        for name, schema in part.get("properties", {}).items():
            found.setdefault(name, []).append(schema)
    return found


def free_key_schemas(parts: Sequence[Schema], key: str) -> list[Schema] | None:
    """The schemas of a key that the user names, or None where no such key may stand.

    A mapping is closed unless the schema says otherwise, or says nothing of its keys at all.
    """
    if not any(word in part for part in parts for word in _ABOUT_KEYS):
        return []
    found: list[Schema | bool] = []
    for part in parts:
        named = [schema for pattern, schema in part.get("patternProperties", {}).items() if re.search(pattern, key)]
        found += named or [part.get("additionalProperties", False)]
    allowed = [schema for schema in found if schema is not False]
    return [schema for schema in allowed if isinstance(schema, dict)] if allowed else None


def item_schemas(parts: Iterable[Schema], index: int) -> list[Schema]:
    """The schemas of the item at `index` of a list."""
    found: list[Schema] = []
    for part in parts:
        first = part.get("prefixItems", ())
        if index < len(first):
            found.append(first[index])
        elif isinstance(part.get("items"), dict):
            found.append(part["items"])
    return found


def unsupported(schema: object, path: str = "#") -> list[str]:
    """`path: keyword` for everything in the schema that the checker would not enforce; for tests."""
    if not isinstance(schema, dict):
        return [] if isinstance(schema, bool) else [f"{path}: not a schema"]
    found = [f"{path}: {name}" for name in schema if name not in KEYWORDS]
    found += [f"{path}/if: {name}" for name in schema.get("if", {}) if name not in _CONDITIONS]
    for name in _SCHEMA_MAPS:
        found += [hit for key, sub in schema.get(name, {}).items() for hit in unsupported(sub, f"{path}/{name}/{key}")]
    for name in _SCHEMA_LISTS:
        found += [hit for i, sub in enumerate(schema.get(name, ())) for hit in unsupported(sub, f"{path}/{name}/{i}")]
    for name in _SCHEMAS:
        found += unsupported(schema[name], f"{path}/{name}") if name in schema else []
    return found


def _defaults(root: Schema, parts: Iterable[Schema]) -> dict[str, object]:
    """The defaults of the keys that some `if` among the parts looks at."""
    parts = list(parts)
    wanted = {name for part in parts for name in part.get("if", {}).get("properties", ())}
    schemas = property_schemas(parts)
    inner = {name: unconditional(root, schemas[name]) for name in wanted if name in schemas}
    return {name: find(found, "default") for name, found in inner.items() if any("default" in part for part in found)}
