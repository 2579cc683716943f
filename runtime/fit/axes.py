"""What is varied: a key of the spec and the values that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ...compiler.schema import load_schema
from ...compiler.schema.lookup import UnknownKeyError, lookup_key
from .errors import FitError

EIGHTHS = range(4, 17)
"""Without a range a key takes these eighths of its value in the spec: half to twice."""
MOST_VALUES = 1000
LIMIT = "budget.bytes"
"""The key of which more makes a model fit, not less."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A key as `--set` takes it, and its values from the one that fits best on: rising, but for `budget.bytes`."""

    key: str
    values: tuple[Fraction, ...]

    def text(self, index: int) -> str:
        """A value as YAML has it."""
        value = self.values[index]
        return str(value.numerator) if value.denominator == 1 else repr(float(value))


def read_axis(argument: str, plain: Mapping[str, Any]) -> Axis:
    """The axis of a `--vary`: KEY, KEY=LOW..HIGH, KEY=LOW..HIGH:STEP or KEY=A,B,C; `plain` is the resolved spec.

    Raises:
        FitError: no such key, one that is no number in this spec, or a range that is none.
    """
    key, equals, text = (part.strip() for part in argument.partition("="))
    base = _value(plain, key)
    whole = _whole(key)
    if equals:
        values = (
            _range(text, argument, whole) if ".." in text else [_number(word, argument) for word in text.split(",")]
        )
    else:
        values = [base * eighths / 8 for eighths in EIGHTHS]
        values = [value for value in values if value.denominator == 1 or not whole]
    kept = tuple(sorted(set(values)))
    if whole and any(value.denominator != 1 for value in kept):
        raise FitError(f"--vary {argument}: {key} takes whole numbers; give such values")
    return Axis(key, kept[::-1] if key == LIMIT else kept)


def _value(plain: Mapping[str, Any], key: str) -> Fraction:
    value: Any = plain
    for step in key.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, Sequence) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise FitError(f"--vary {key}: the resolved spec has no {step!r} there; `loopspec show SPEC --resolved`")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FitError(f"--vary {key}: it is {value!r} in this spec; only a number can be varied")
    return Fraction(str(value))


def _whole(key: str) -> bool:
    try:
        return lookup_key(load_schema(), key).type.startswith("a whole number")
    except UnknownKeyError as error:
        raise FitError(f"--vary {key}: {error}") from error


def _range(text: str, argument: str, whole: bool) -> list[Fraction]:
    ends, colon, size = text.partition(":")
    low, high = (_number(word, argument) for word in ends.split("..", 1))
    step = _number(size, argument) if colon else _default_step(low, high, whole)
    if high < low or step <= 0:
        raise FitError(f"--vary {argument}: write LOW..HIGH:STEP with LOW at most HIGH and STEP above 0")
    count = (high - low) // step + 1
    if count > MOST_VALUES:
        raise FitError(f"--vary {argument}: {count} values; at most {MOST_VALUES}, give a larger step")
    return [low + step * index for index in range(count)]


def _default_step(low: Fraction, high: Fraction, whole: bool) -> Fraction:
    """A sixteenth of the range, of whole numbers a whole one."""
    step = (high - low) / 16
    return Fraction(max(1, round(step))) if whole else step or Fraction(1)


def _number(word: str, argument: str) -> Fraction:
    try:
        return Fraction(word.strip())
    except (ValueError, ZeroDivisionError) as error:
        message = f"--vary {argument}: {word.strip()!r} is no number; write KEY=LOW..HIGH:STEP or KEY=A,B,C"
        raise FitError(message) from error
