"""What to say of one value that breaks a keyword of the schema: type, allowed values, range, form, count."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..source.nodes import Mapping, Node, Scalar, Sequence
from ..source.wording import did_you_mean, listing, quoted
from . import Schema
from .fragments import find
from .places import Place

TYPE_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_BOUND_WORDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "multipleOf": "a multiple of",
}
_GROUPED = re.compile(r"[-+]?[0-9]+(_[0-9]+)+")
_TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule; `item` is the index of the list item at fault, None for the value as a whole."""

    code: str
    message: str
    hint: str
    item: int | None = None


def range_text(parts: list[Schema]) -> str:
    """`from 1 to 64`, `above 0`, `at least 1, a multiple of 8`; "" without bounds."""
    bounds = {word: find(parts, keyword) for keyword, word in _BOUND_WORDS.items()}
    if bounds["at least"] is not None and bounds["at most"] is not None:
        low, high = bounds.pop("at least"), bounds.pop("at most")
        bounds = {"from": f"{_number(low)} to {_number(high)}", **bounds}
    words = [f"{word} {_number(bound)}" for word, bound in bounds.items() if bound is not None]
    return " and ".join(words)


def type_text(types: str | list[str]) -> str:
    """The JSON types in the words of YAML: `a whole number or null`."""
    names = [types] if isinstance(types, str) else types
    words = [TYPE_WORDS[name] for name in names]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def yaml_text(value: object) -> str:
    """A short YAML form of a plain value, for messages."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def _number(bound: object) -> str:
    return str(int(bound)) if isinstance(bound, float) and bound.is_integer() else str(bound)


def _interval(least: int, most: int) -> str:
    if least == most:
        return str(least)
    return f"{least} to {most}" if least else f"at most {most}"


def name_problem(key: str, rule: Schema) -> Problem:
    """A key that the user names and `propertyNames` refuses (LS026)."""
    if len(key) > rule.get("maxLength", len(key)):
        return Problem(
            "LS026", f"the name {quoted(key)} has {len(key)} characters, at most {rule['maxLength']} fit", ""
        )
    return Problem("LS026", f"{quoted(key)} cannot be a name here", rule.get("description", ""))


def _type_problem(place: Place, part: Schema) -> Problem:
    types = part["type"]
    message = f"{_where(place)} must be {type_text(types)}, not {_described(place.node)}"
    names = [types] if isinstance(types, str) else types
    return Problem("LS021", message, _type_hint(place.node, names) or _about(place))


def _described(node: Node) -> str:
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    value = node.value
    if value is None:
        return "null" if node.text else "nothing"
    if isinstance(value, bool):
        return yaml_text(value)
    if isinstance(value, int):
        return f"the whole number {value}"
    return f"the number {node.text}" if isinstance(value, float) else f"the text {quoted(value)}"


def _type_hint(node: Node, names: list[str]) -> str:
    """The mend for the usual slips; "" when there is nothing to guess."""
    if not isinstance(node, Scalar):
        return ""
    text, numeric = node.text, "integer" in names or "number" in names
    if isinstance(node.value, str):
        if numeric and _GROUPED.fullmatch(text):
            return f"write {text.replace('_', '')}, without underscores"
        if "boolean" in names and text.lower() in _TRUTH:
            return f"write {_TRUTH[text.lower()]}"
        if numeric and re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", text):
            return "remove the quotes to make it a number"
        if "array" in names:
            return f"write [{text}] for a list of one"
        if "object" in names:
            return "write `key: value`, with a space after the colon"
    elif isinstance(node.value, float) and node.value.is_integer() and abs(node.value) < 1e15 and numeric:
        return f"write {int(node.value)}"
    elif "string" in names and node.value is not None:
        return f'write "{text}", in quotes, for text'
    elif "array" in names and node.value is not None:
        return f"write [{text}] for a list of one"
    return ""


def _choice_problem(place: Place, part: Schema) -> Problem:
    words = [yaml_text(item) for item in ([part["const"]] if "const" in part else part["enum"])]
    if not isinstance(place.node, Scalar):
        message = f"{_where(place)} must be one of {listing(words)}, not {_described(place.node)}"
        return Problem("LS021", message, "write one of the allowed values")
    message = f"{_where(place)} cannot be {quoted(yaml_text(place.plain))}; allowed: {listing(words)}"
    hint = did_you_mean(str(place.plain), words) if isinstance(place.plain, str) else ""
    return Problem("LS023", message, hint if hint.startswith("did") else "write one of the allowed values")


def _range_problem(place: Place, part: Schema) -> Problem:
    unit = find(place.parts, "unit")
    message = f"{_where(place)} must be {range_text([part])}{f' ({unit})' if unit else ''}, not {place.plain}"
    return Problem("LS022", message, _as_share(place, part) or _about(place))


def _as_share(place: Place, part: Schema) -> str:
    """A hint for a share that was given in per cent."""
    given, about = place.plain, str(find(place.parts, "description") or "")
    if "share" not in about.lower() or not isinstance(given, int | float) or not 1 < given <= 100:
        return ""
    return f"a share, not per cent: write {given / 100:.10g}" if part.get("maximum", 1) <= 1 else ""


def _form_problem(place: Place, part: Schema) -> Problem:
    """Text of the wrong length or pattern (LS026)."""
    text = str(place.plain)
    if len(text) < part.get("minLength", 0):
        return Problem("LS026", f"{_where(place)} must not be empty", _about(place))
    if len(text) > part.get("maxLength", len(text)):
        message = f"{_where(place)} has {len(text)} characters, at most {part['maxLength']} fit"
        return Problem("LS026", message, _about(place))
    message = f"{_where(place)} cannot be {quoted(text)}: it must match {quoted(part['pattern'])}"
    return Problem("LS026", message, _examples(place.parts) or _about(place))


def _item_count_problem(place: Place, part: Schema) -> Problem:
    assert isinstance(place.plain, list)
    return _count_problem(place, len(place.plain), "item", (part.get("minItems", 0), part.get("maxItems")))


def _key_count_problem(place: Place, part: Schema) -> Problem:
    assert isinstance(place.plain, dict)
    return _count_problem(place, len(place.plain), "key", (part.get("minProperties", 0), part.get("maxProperties")))


def _count_problem(place: Place, count: int, noun: str, bounds: tuple[int, int | None]) -> Problem:
    """Too few or too many (LS025)."""
    least, most = bounds
    wanted = f"at least {least}" if most is None else _interval(least, most)
    plural = "" if wanted.split()[-1] == "1" else "s"
    message = f"{_where(place)} has {count} {noun}{'' if count == 1 else 's'}, it takes {wanted} {noun}{plural}"
    return Problem("LS025", message, _about(place))


def _repeated(place: Place, part: Schema) -> Problem:
    """The first item that stands in the list already (LS027); the list is known to hold one."""
    assert isinstance(place.node, Sequence) and isinstance(place.plain, list)
    words = [json.dumps(item, sort_keys=True) for item in place.plain]
    index = next(index for index, word in enumerate(words) if word in words[:index])
    item = place.node.items[index]
    shown = quoted(item.text) if isinstance(item, Scalar) else "this item"
    return Problem("LS027", f"{shown} stands in {quoted(place.name)} already", "remove one of the two", index)


def _where(place: Place) -> str:
    return quoted(place.name) if place.name else "the spec"


def _examples(parts: list[Schema]) -> str:
    examples = find(parts, "examples")
    return f"for example {listing(yaml_text(item) for item in examples)}" if examples else ""


def sentence(description: str) -> str:
    """The first sentence of a description, without its full stop."""
    return description.split(". ")[0].rstrip(".")


def _about(place: Place) -> str:
    """A reminder of what the key is for."""
    text = find(place.parts, "description")
    return f"this key is: {sentence(text)}" if text else ""


# keyword of JSON Schema -> what to say; of several faults of one value the first here is said
TRANSLATIONS: dict[str, Callable[[Place, Schema], Problem]] = {
    "type": _type_problem,
    "const": _choice_problem,
    "enum": _choice_problem,
    "minimum": _range_problem,
    "exclusiveMinimum": _range_problem,
    "maximum": _range_problem,
    "exclusiveMaximum": _range_problem,
    "multipleOf": _range_problem,
    "minLength": _form_problem,
    "maxLength": _form_problem,
    "pattern": _form_problem,
    "minItems": _item_count_problem,
    "maxItems": _item_count_problem,
    "minProperties": _key_count_problem,
    "maxProperties": _key_count_problem,
    "uniqueItems": _repeated,
}
