"""What one value breaks: type, allowed values, range, form, count."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..source.nodes import Mapping, Node, Scalar, Sequence, to_plain
from ..source.wording import did_you_mean, listing, quoted
from . import Schema
from .fragments import find, is_type, same

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


def value_problem(node: Node, parts: list[Schema], name: str) -> Problem | None:
    """The first rule that the value itself breaks; lists and mappings are looked at only for their type."""
    value: object = node.value if isinstance(node, Scalar) else {} if isinstance(node, Mapping) else []
    for part in parts:
        if "type" in part and not is_type(value, part["type"]):
            return _type_problem(node, part["type"], name, parts)
    for part in parts:
        if ("enum" in part or "const" in part) and not isinstance(node, Scalar):
            return _not_a_choice(node, part, name)
        if isinstance(node, Scalar) and not same(value, part):
            return _choice_problem(node, part, name)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _range_problem(value, parts, name)
    return _form_problem(value, parts, name) if isinstance(value, str) else None


def list_problem(node: Sequence, parts: list[Schema], name: str) -> Problem | None:
    """A wrong number of items (LS025), or an item listed twice (LS027)."""
    problem = count_problem(len(node.items), parts, name, "item")
    if problem is None and find(parts, "uniqueItems"):
        return _repeated(node, name)
    return problem


def count_problem(count: int, parts: list[Schema], name: str, noun: str) -> Problem | None:
    """Too few or too many (LS025) of `noun`, which is "item" or "key"."""
    least_word, most_word = ("minItems", "maxItems") if noun == "item" else ("minProperties", "maxProperties")
    least = max((part.get(least_word, 0) for part in parts), default=0)
    most = min((part[most_word] for part in parts if most_word in part), default=None)
    if count >= least and (most is None or count <= most):
        return None
    wanted = f"at least {least}" if most is None else _interval(least, most)
    plural = "" if wanted.split()[-1] == "1" else "s"
    where = quoted(name) if name else "the spec"
    message = f"{where} has {count} {noun}{'' if count == 1 else 's'}, it takes {wanted} {noun}{plural}"
    return Problem("LS025", message, _about(parts))


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


def _type_problem(node: Node, types: str | list[str], name: str, parts: list[Schema]) -> Problem:
    where = quoted(name) if name else "the spec"
    message = f"{where} must be {type_text(types)}, not {_described(node)}"
    names = [types] if isinstance(types, str) else types
    return Problem("LS021", message, _type_hint(node, names) or _about(parts))


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
    elif isinstance(node.value, float) and node.value.is_integer() and abs(node.value) < 1e15 and numeric:
        return f"write {int(node.value)}"
    elif "string" in names and node.value is not None:
        return f'write "{text}", in quotes, for text'
    elif "array" in names and node.value is not None:
        return f"write [{text}] for a list of one"
    return ""


def _not_a_choice(node: Node, part: Schema, name: str) -> Problem:
    allowed = listing(map(yaml_text, [part["const"]] if "const" in part else part["enum"]))
    return Problem("LS021", f"{quoted(name)} must be one of {allowed}, not {_described(node)}", "")


def _choice_problem(node: Scalar, part: Schema, name: str) -> Problem:
    allowed = [part["const"]] if "const" in part else part["enum"]
    words = [yaml_text(item) for item in allowed]
    got = quoted(yaml_text(node.value))
    where = quoted(name)
    message = f"{where} cannot be {got}; allowed: {listing(words)}"
    hint = did_you_mean(str(node.value), words) if isinstance(node.value, str) else ""
    return Problem("LS023", message, hint if hint.startswith("did") else "write one of the allowed values")


def _range_problem(value: int | float, parts: list[Schema], name: str) -> Problem | None:
    for part in parts:
        if _in_range(value, part):
            continue
        unit = find(parts, "unit")
        message = f"{quoted(name)} must be {range_text([part])}{f' ({unit})' if unit else ''}, not {value}"
        return Problem("LS022", message, _about(parts))
    return None


def _in_range(value: int | float, part: Schema) -> bool:
    low, high = part.get("minimum"), part.get("maximum")
    above, below = part.get("exclusiveMinimum"), part.get("exclusiveMaximum")
    step = part.get("multipleOf")
    return not (
        (low is not None and value < low)
        or (high is not None and value > high)
        or (above is not None and value <= above)
        or (below is not None and value >= below)
        or (step is not None and value % step != 0)
    )


def _form_problem(value: str, parts: list[Schema], name: str) -> Problem | None:
    for part in parts:
        if len(value) < part.get("minLength", 0):
            return Problem("LS026", f"{quoted(name)} must not be empty", _about(parts))
        if len(value) > part.get("maxLength", len(value)):
            message = f"{quoted(name)} has {len(value)} characters, at most {part['maxLength']} fit"
            return Problem("LS026", message, _about(parts))
        if "pattern" in part and not re.search(part["pattern"], value):
            message = f"{quoted(name)} cannot be {quoted(value)}: it must match {quoted(part['pattern'])}"
            return Problem("LS026", message, _examples(parts) or _about(parts))
    return None


def _repeated(node: Sequence, name: str) -> Problem | None:
    seen: list[object] = []
    for index, item in enumerate(node.items):
        plain = to_plain(item)
        if any(plain == earlier and isinstance(plain, bool) == isinstance(earlier, bool) for earlier in seen):
            shown = quoted(item.text) if isinstance(item, Scalar) else "this item"
            return Problem("LS027", f"{shown} stands in {quoted(name)} already", "remove one of the two", index)
        seen.append(plain)
    return None


def _examples(parts: list[Schema]) -> str:
    examples = find(parts, "examples")
    return f"for example {listing(yaml_text(item) for item in examples)}" if examples else ""


def _about(parts: list[Schema]) -> str:
    """The first sentence of the description, as a reminder of what the key is for."""
    text = find(parts, "description")
    return f"this key is: {text.split('. ')[0].rstrip('.')}" if isinstance(text, str) and text else ""
