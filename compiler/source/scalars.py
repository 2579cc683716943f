"""Plain scalars by the YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema)."""

from __future__ import annotations

import math
import re

from .nodes import ScalarValue

MAX_DIGITS = 20  # int() on a long text is quadratic, and no value of a spec needs more

_CONSTANTS: dict[str, ScalarValue] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o([0-7]+)|0x([0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class NumberError(ValueError):
    """A scalar that is written as a number but is none that a spec may hold."""


def resolve_plain(text: str) -> ScalarValue:
    """The value of an unquoted scalar.

    `010` is 10, `3e-4` a float, `1:30`, `on` and `1_000` are text.

    Raises:
        NumberError: infinities, NaN, floats that overflow, and integers of more than `MAX_DIGITS` digits.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return _to_int(text, text.lstrip("+-"), 10)
    based = _BASED.fullmatch(text)
    if based:
        return _to_int(text, based[1] or based[2], 8 if based[1] else 16)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise NumberError("this number is too large for a 64-bit float")
        return value
    if _NOT_FINITE.fullmatch(text):
        raise NumberError("infinity and NaN are not values of a spec")
    return text


def _to_int(text: str, digits: str, base: int) -> int:
    digits = digits.lstrip("0") or "0"
    if len(digits) > MAX_DIGITS:
        raise NumberError(f"this whole number has {len(digits)} digits, at most {MAX_DIGITS} are read")
    value = int(digits, base)
    return -value if text.startswith("-") else value
