"""Validation itself, which is `jsonschema`'s; two readings of draft 2020-12 are stricter here than its defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from . import Schema

if TYPE_CHECKING:
    from jsonschema import TypeChecker, ValidationError

YamlPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A violation; `schema` is the part that holds the `keyword`. `of_name`: the key that ends `path` is at fault."""

    keyword: str
    path: YamlPath
    schema: Schema
    of_name: bool


def find_faults(schema: Schema, plain: object) -> Iterator[Fault]:
    """Every violation of the schema by a plain document, as `jsonschema` finds it."""
    for found in _strict_class()(schema).iter_errors(plain):
        of_name = "propertyNames" in found.absolute_schema_path
        path = (*found.absolute_path, found.instance) if of_name else tuple(found.absolute_path)
        yield Fault(found.validator, path, found.schema, of_name)


@cache
def _strict_class() -> Any:  # noqa: ANN401 - the library's stubs do not type `extend`
    """3.0 is no whole number, and `$` in a pattern is the end of the text, not also the place before a last newline."""
    from jsonschema import Draft202012Validator, validators  # slower to import than all that `explain` needs

    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    extend: Any = validators.extend
    return extend(Draft202012Validator, {"pattern": _pattern}, type_checker=types)


def _is_integer(_: TypeChecker, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(_: object, pattern: str, text: object, __: object) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    if isinstance(text, str) and not re.search(pattern.replace("$", r"\Z"), text):
        yield ValidationError(f"{text!r} does not match {pattern!r}")
