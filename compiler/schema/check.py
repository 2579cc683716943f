"""Checks a tree against the schema, with one diagnostic a place in the words of YAML.

A walk of its own rather than a validator library: the messages need the schema of the whole place (nearest key, the
kinds a key belongs to, the unit), and importing such a library would take longer than everything else `validate` does.
Tests hold it against `jsonschema` on generated documents.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..source.diagnostic import Diagnostic, error
from ..source.nodes import Entry, Mapping, Node, Scalar, Sequence, value_span
from ..source.span import Span
from ..source.wording import did_you_mean, listing, nearest, quoted
from . import Schema
from .fragments import applying, free_key_schemas, item_schemas, matches, property_schemas, unconditional
from .values import count_problem, list_problem, value_problem


@dataclass(slots=True)
class _Check:
    root: Schema
    problems: list[Diagnostic] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """A value, the key above it, and how messages name it. `key_span` is None at the root and in lists."""

    node: Node
    span: Span
    name: str
    key_span: Span | None = None


def check_against_schema(document_root: Mapping, schema: Schema) -> list[Diagnostic]:
    """Every violation (LS020 to LS027), at most one a place, in the order of the tree."""
    check = _Check(schema)
    _check_node(check, _Place(document_root, document_root.span, ""), [schema])
    return check.problems


def _check_node(check: _Check, place: _Place, schemas: list[Schema]) -> bool:
    """Check one value and what is below it; False when the value itself (not one below) is wrong."""
    node = place.node
    if isinstance(node, Scalar) and not node.valid:
        return False
    parts = applying(check.root, schemas, shallow(node))
    problem = value_problem(node, parts, place.name)
    if problem is not None:
        check.problems.append(error(problem.code, place.span, problem.message, problem.hint))
        return False
    if isinstance(node, Mapping):
        _check_mapping(check, place, node, parts)
    elif isinstance(node, Sequence):
        _check_sequence(check, place, node, parts)
    return True


def shallow(node: Node) -> object:
    """The plain value as far as an `if` may look: scalars, and of a mapping the scalars under its keys."""
    if isinstance(node, Mapping):
        return {key: _flat(entry.value) for key, entry in node.entries.items()}
    return _flat(node)


def _flat(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.value
    return {} if isinstance(node, Mapping) else []


def _check_sequence(check: _Check, place: _Place, node: Sequence, parts: list[Schema]) -> None:
    problem = list_problem(node, parts, place.name)
    if problem is not None:
        span = place.span if problem.item is None else node.items[problem.item].span
        check.problems.append(error(problem.code, span, problem.message, problem.hint))
    for index, item in enumerate(node.items):
        span = place.span if item.span.empty else item.span
        _check_node(check, _Place(item, span, f"{place.name}[{index}]"), item_schemas(parts, index))


def _check_mapping(check: _Check, place: _Place, node: Mapping, parts: list[Schema]) -> None:
    problem = count_problem(len(node.entries), parts, place.name, "key")
    if problem is not None:
        check.problems.append(error(problem.code, place.key_span or place.span, problem.message, problem.hint))
    fixed = property_schemas(parts)
    kinds = _discriminators(parts)
    fine: dict[str, bool] = {}
    unknown: list[str] = []
    for key in sorted(node.entries, key=lambda key: key not in kinds):  # kinds first: they decide about the rest
        schemas = fixed[key] if key in fixed else free_key_schemas(parts, key)
        if schemas is None:
            unknown.append(key)
        else:
            fine[key] = _check_entry(check, place, key, node.entries[key], schemas)
    undecided = any(not fine.get(key, _has_default(check.root, fixed.get(key, []))) for key in kinds)
    strange = _report_unknown(check, place, node, _Keys(parts, fixed, unknown, undecided))
    _report_missing(check, place, node, parts, strange)
    _check_names(check, node, parts, fixed)


def _check_entry(check: _Check, place: _Place, key: str, entry: Entry, schemas: list[Schema]) -> bool:
    name = f"{place.name}.{key}" if place.name else key
    return _check_node(check, _Place(entry.value, value_span(entry), name, entry.key_span), schemas)


@dataclass(frozen=True, slots=True)
class _Keys:
    """What is known of a mapping's keys. `undecided`: its kind is wrong or missing, so any kind's key may be right."""

    parts: list[Schema]
    fixed: dict[str, list[Schema]]
    unknown: list[str]
    undecided: bool


def _report_unknown(check: _Check, place: _Place, node: Mapping, keys: _Keys) -> list[str]:
    """LS020 for each unknown key; returns those that belong to no branch, so most likely misspelled."""
    strange: list[str] = []
    for key in keys.unknown:
        owners = _owners(check.root, keys.parts, key)
        if owners and keys.undecided:
            continue
        where = f" in {quoted(place.name)}" if place.name else ""
        message, hint = f"unknown key {quoted(key)}{where}", did_you_mean(key, list(keys.fixed))
        if owners:
            message = f"{quoted(key)}{where} goes with {listing(owners)} only"
            hint = f"remove it, or change what selects it; allowed here: {listing(keys.fixed)}"
        else:
            strange.append(key)
            hint = hint or "this mapping takes no keys"
        check.problems.append(error("LS020", node.entries[key].key_span, message, hint))
    return strange


def _report_missing(check: _Check, place: _Place, node: Mapping, parts: list[Schema], strange: list[str]) -> None:
    """LS024, once a mapping; a required key that a misspelled one clearly stands for is not reported again."""
    required = dict.fromkeys(name for part in parts for name in part.get("required", ()))
    missing = [name for name in required if name not in node.entries]
    missing = [name for name in missing if not any(nearest(key, [name]) for key in strange)]
    if not missing:
        return
    where = quoted(place.name) if place.name else "the spec"
    several = len(missing) > 1
    message = f"{where} lacks {listing(missing)}, which {'are' if several else 'is'} required"
    span = place.key_span or _first_key(node) or place.span
    hint = f"write the missing {'keys' if several else 'key'}"
    check.problems.append(error("LS024", span, message, hint))


def _first_key(node: Mapping) -> Span | None:
    return next((entry.key_span for entry in node.entries.values()), None)


def _check_names(check: _Check, node: Mapping, parts: list[Schema], fixed: dict[str, list[Schema]]) -> None:
    """Hold the keys that the user names against `propertyNames`."""
    rules = [part["propertyNames"] for part in parts if "propertyNames" in part]
    for key, entry in node.entries.items() if rules else ():
        if key not in fixed:
            _check_node(check, _Place(Scalar(key, entry.key_span, key), entry.key_span, key), rules)


def _discriminators(parts: list[Schema]) -> list[str]:
    """The keys that the conditions of a mapping look at, such as `kind`."""
    return list(dict.fromkeys(name for part in parts for name in part.get("if", {}).get("properties", ())))


def _has_default(root: Schema, schemas: list[Schema]) -> bool:
    return any("default" in part for part in unconditional(root, schemas))


def _owners(root: Schema, parts: list[Schema], key: str) -> list[str]:
    """`kind: unet` for each branch that did not apply but would know `key`."""
    owners: list[str] = []
    for part in parts:
        tests = part.get("if", {}).get("properties", {})
        if not tests or "then" not in part:
            continue
        assert not matches(part["if"], None)
        if key in property_schemas(unconditional(root, [part["then"]])):
            owners += [f"{name}: {value}" for name, test in tests.items() for value in _values(test)]
    return owners


def _values(test: Schema) -> list[object]:
    words = {True: "true", False: "false"}
    found = [test["const"]] if "const" in test else list(test.get("enum", ()))
    return [words[value] if isinstance(value, bool) else value for value in found]
