"""Which parts of a schema say something of a value: follows `$ref`, `allOf` and `if/then`.

For defaults, descriptions and the names of keys; whether a value is valid is `jsonschema`'s to say. The language's
schema has no anyOf or oneOf, and every `if` asks for keys with a `const` each, so a flat list of parts tells it all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from . import Schema

_ABOUT_KEYS = ("properties", "patternProperties", "additionalProperties", "unevaluatedProperties")


def resolve_reference(root: Schema, reference: str) -> Schema:
    """The schema at a local JSON pointer such as `#/$defs/block`."""
    assert reference.startswith("#"), f"{reference}: only references within the schema"
    found: Any = root
    for step in reference[1:].split("/")[1:]:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    assert isinstance(found, dict), reference
    return found


def unconditional(root: Schema, schemas: Iterable[Schema]) -> list[Schema]:
    """The schemas themselves with what `$ref` and `allOf` add, nearest first; no `then`."""
    parts = list(schemas)
    for part in parts:  # grows while it is walked
        if "$ref" in part:
            parts.append(resolve_reference(root, part["$ref"]))
        parts.extend(part.get("allOf", ()))
    return parts


def applying(root: Schema, schemas: Iterable[Schema], plain: object) -> list[Schema]:
    """Every part that applies to a plain value."""
    parts = unconditional(root, schemas)
    chosen = [part["then"] for part in parts if "if" in part and _selects(part["if"], plain)]
    return parts + applying(root, chosen, plain) if chosen else parts


def _selects(condition: Schema, plain: object) -> bool:
    """Whether a mapping has the `kind` (or the like) that a condition asks for."""
    tests = condition["properties"].items()
    return isinstance(plain, dict) and all(name in plain and plain[name] == test["const"] for name, test in tests)


def selectors(parts: Iterable[Schema]) -> list[str]:
    """The keys that the conditions among the parts look at, such as `kind`."""
    return list(dict.fromkeys(name for part in parts for name in part.get("if", {}).get("properties", ())))


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
