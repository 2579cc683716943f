"""Fills in what a spec leaves to the schema."""

from __future__ import annotations

import copy
from typing import Any

from . import Schema
from .fragments import applying, find, free_key_schemas, item_schemas, property_schemas, selectors, unconditional


def fill_defaults(plain: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """A copy of `plain` in which every absent key with a default has it, at every depth.

    Fixed keys come out in the order of the schema, named ones in the order of the file. A default may be a mapping
    and is then filled itself; a mapping without a default stays absent; a default of null means "off". Values are
    expected to have passed the check.
    """
    filled = _fill(plain, [schema], schema)
    assert isinstance(filled, dict)
    return filled


def fill_selectors(plain: object, schema: Schema) -> Any:  # noqa: ANN401 - a mapping for a mapping
    """A copy of any document in which the absent keys that select variants have their defaults, and no other key.

    What the check sees, so that a variant's keys are judged by the kind that the mapping will have.
    """
    return _fill(plain, [schema], schema, selectors_only=True)


def _fill(value: object, schemas: list[Schema], root: Schema, *, selectors_only: bool = False) -> object:
    if isinstance(value, dict):
        return _fill_mapping(dict(value), schemas, root, selectors_only)
    if isinstance(value, list):
        parts = applying(root, schemas, value)
        items = enumerate(value)
        return [_fill(item, item_schemas(parts, index), root, selectors_only=selectors_only) for index, item in items]
    return value


def _fill_mapping(value: dict[str, Any], schemas: list[Schema], root: Schema, selectors_only: bool) -> dict[str, Any]:
    parts = applying(root, schemas, value)
    while _insert_defaults(value, parts, root, selectors_only):
        parts = applying(root, schemas, value)  # a default may select another branch
    fixed = property_schemas(parts)
    order = [key for key in fixed if key in value] + [key for key in value if key not in fixed]
    inner = {key: fixed.get(key) or free_key_schemas(parts, key) or [] for key in order}
    return {key: _fill(value[key], inner[key], root, selectors_only=selectors_only) for key in order}


def _insert_defaults(value: dict[str, Any], parts: list[Schema], root: Schema, selectors_only: bool) -> bool:
    """Insert into `value` the defaults of absent keys; True when there were any."""
    before = len(value)
    wanted = selectors(parts) if selectors_only else None
    for key, schemas in property_schemas(parts).items():
        inner = unconditional(root, schemas)
        if key not in value and (wanted is None or key in wanted) and any("default" in part for part in inner):
            value[key] = copy.deepcopy(find(inner, "default"))
    return len(value) > before
