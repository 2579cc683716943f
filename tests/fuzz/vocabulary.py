"""Random values that the schema allows, or nearly: what lets a mutant get past it to the rules and passes."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from loopspec.compiler.schema import load_schema

from .trees import COSTLY, FLOATS, NUMBERS, SMALL, TEXTS, Path, odd_value

DEEPEST = 4
Schema = dict[str, Any]


class Vocabulary:
    """The language's keys: which stand together in one mapping, and what their values may be."""

    def __init__(self) -> None:
        self._schema: Schema = dict(load_schema())
        self._families: list[dict[str, Schema]] = []
        self._by_key: dict[str, list[Schema]] = {}
        for node in _nodes(self._schema):
            properties = _properties(node)
            if properties:
                self._families.append(properties)
            for key, schema in properties.items():
                self._by_key.setdefault(key, []).append(schema)
        self._keys = sorted(self._by_key)

    def replacement(self, tree: Any, path: Path, rng: Random) -> Any:
        """A value for the key at `path`, or the mapping there with one more key that the language knows."""
        here = tree
        for key in path:
            here = here[key]
        if isinstance(here, dict) and rng.random() < 0.7:
            return {**here, **self._further(here, tree, rng)}
        names = [key for key in path if isinstance(key, str) and key in self._by_key]
        if not names:
            return odd_value(rng)
        schema = rng.choice(self._by_key[names[-1]])
        if isinstance(path[-1], int):
            schema = self._resolved(schema).get("items", schema)
        return self.value(schema, tree, rng)

    def value(self, schema: Schema, tree: Any, rng: Random, depth: int = 0) -> Any:
        """A value of `schema`; names that the document uses stand for free text."""
        schema = self._resolved(schema)
        if "const" in schema or "enum" in schema:
            return schema.get("const", rng.choice(schema.get("enum", [None])))
        types = schema.get("type", "object" if "properties" in schema else "string")
        kind = types if isinstance(types, str) else rng.choice(types)
        if kind in ("integer", "number"):
            return _number(schema, kind, rng)
        if kind == "boolean":
            return rng.random() < 0.7
        if kind == "array":
            return self._array(schema, tree, rng, depth)
        if kind == "object":
            return self._object(schema, tree, rng, depth)
        return None if kind == "null" else self._text(schema, tree, rng)

    def _further(self, here: dict[str, Any], tree: Any, rng: Random) -> dict[str, Any]:
        fitting = [family for family in self._families if any(key in family for key in here)]
        family = rng.choice(fitting or self._families)
        key = rng.choice(list(family))
        return {key: self.value(family[key], tree, rng)}

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            target: Any = self._schema
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        return schema

    def _array(self, schema: Schema, tree: Any, rng: Random, depth: int) -> list[Any]:
        if depth > DEEPEST:
            return []
        few = rng.choice([1, 1, 2, 3, schema.get("minItems", 1), rng.choice([5, 5, 9, 40])])
        return [self.value(schema.get("items", {}), tree, rng, depth + 1) for _ in range(few)]

    def _object(self, schema: Schema, tree: Any, rng: Random, depth: int) -> dict[str, Any]:
        properties, required = _properties(schema), list(schema.get("required", []))
        picked: dict[str, Any] = {}
        for variant in [schema, *(self._resolved(item) for item in schema.get("allOf", []))]:
            if "if" in variant and not _holds(variant["if"], picked):
                continue
            chosen = {**variant.get("properties", {}), **variant.get("then", {}).get("properties", {})}
            needed = [*required, *variant.get("required", []), *variant.get("then", {}).get("required", [])]
            for key, item in chosen.items():
                if key in needed or (depth <= DEEPEST and rng.random() < 0.3):
                    picked[key] = self.value(item, tree, rng, depth + 1)
        rest = schema.get("additionalProperties")
        if not properties and isinstance(rest, dict) and depth <= DEEPEST:
            return {self._name(tree, rng): self.value(rest, tree, rng, depth + 1)}
        return picked

    def _text(self, schema: Schema, tree: Any, rng: Random) -> str:
        examples = schema.get("examples", [])
        if examples and rng.random() < 0.4:
            return str(rng.choice(examples))
        return self._name(tree, rng)

    def _name(self, tree: Any, rng: Random) -> str:
        if rng.random() < 0.1:
            return rng.choice([*TEXTS, rng.choice(self._keys)])
        names = sorted(_names(tree))
        return rng.choice(names) if names else "a"


def _number(schema: Schema, kind: str, rng: Random) -> Any:
    """Within the bounds, at them, or one beyond."""
    low: Any = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high: Any = schema.get("maximum", schema.get("exclusiveMaximum", 1 << 20))
    choice = rng.randrange(12)
    if choice < 6:
        some = SMALL if rng.random() < COSTLY else NUMBERS
        fitting = [item for item in (some if kind == "integer" else some + FLOATS) if low <= item <= high]
        return rng.choice(fitting or [low])
    if choice < 9:
        small = rng.randint(0, 8)
        return low + min(small, int(high - low)) if kind == "integer" else rng.uniform(low, min(high, low + 1))
    return rng.choice([low, low, low, low - 1, high if rng.random() < 0.3 else low, high + 1])


def _properties(node: Schema) -> dict[str, Schema]:
    found = node.get("properties", {})
    return found if all(isinstance(item, dict) for item in found.values()) else {}


def _nodes(node: Any) -> Iterator[Schema]:
    """Every mapping of the schema but conditions, which only repeat what they test."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key != "if":
                yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)


def _holds(condition: Schema, picked: dict[str, Any]) -> bool:
    tests = condition.get("properties", {})
    return all(picked.get(key) == test["const"] for key, test in tests.items() if "const" in test)


def _names(tree: Any) -> set[str]:
    """Names of groups and stages, and other short texts of the document."""
    if isinstance(tree, dict):
        groups = tree.get("blocks")
        return set().union(*map(_names, tree.values()), map(str, groups if isinstance(groups, dict) else ()))
    if isinstance(tree, list):
        return set().union(*map(_names, tree))
    return {tree} if isinstance(tree, str) and len(tree) < 64 else set()
