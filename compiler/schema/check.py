"""Checks a tree against the schema: `jsonschema` finds the faults, this file says them in the words of YAML.

One diagnostic a place, each with the nearest key or the mend, and none that only follows from another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ..source.diagnostic import Diagnostic, error
from ..source.limit import MAX_PROBLEMS, checking_stopped
from ..source.nodes import Mapping, Scalar, Sequence
from ..source.span import Span
from ..source.wording import did_you_mean, listing, nearest, quoted
from . import Schema
from .empty import check_empty_values
from .fragments import find, free_key_schemas, property_schemas, selectors, unconditional
from .lookup import all_keys
from .places import Place, Places
from .validator import Fault, YamlPath, find_faults
from .values import TRANSLATIONS, name_problem, sentence

_ORDER = {keyword: rank for rank, keyword in enumerate(TRANSLATIONS)}
_UNEXPLAINED = ""
"""Stands for the owners of a key that is one too many to be looked at."""

_UNKNOWN = ("additionalProperties", "unevaluatedProperties")


def check_against_schema(document_root: Mapping, schema: Schema) -> list[Diagnostic]:
    """Every violation (LS020 to LS027), at most one a place for each sort."""
    places = Places(schema, document_root)
    homes = cache(lambda: _homes(schema))
    values: dict[YamlPath, list[Fault]] = {}
    problems: list[Diagnostic] = []
    stopped: list[Diagnostic] = []
    for fault in find_faults(schema, places.at(()).plain):
        if len(values) + len(problems) > MAX_PROBLEMS:
            stopped = [checking_stopped(places.at(fault.path[:-1] if fault.of_name else fault.path).span)]
            break
        if fault.of_name:
            problems.append(_bad_name(places.at(fault.path), fault))
        else:
            values.setdefault(fault.path, []).append(fault)
    for path, found in values.items():
        place = places.at(path)
        if isinstance(place.node, Scalar) and not place.node.valid:
            continue  # the reader has refused it
        problems += _value_problems(place, found)
        if isinstance(place.node, Mapping):
            assert isinstance(place.plain, dict)
            kinds = selectors(place.parts)  # one that is left out has its default in `plain`, where it has one
            undecided = any(kind not in place.plain or (*path, kind) in values for kind in kinds) or bool(stopped)
            problems += _key_problems(_Keys(schema, place, place.node, undecided, homes), found)
    reported = frozenset(id(places.at(path).node) for path in values)
    return problems + stopped + check_empty_values(document_root, reported)


def _bad_name(place: Place, fault: Fault) -> Diagnostic:
    assert place.key_span is not None
    problem = name_problem(str(fault.path[-1]), fault.schema)
    return error(problem.code, place.key_span, problem.message, problem.hint)


def _value_problems(place: Place, found: list[Fault]) -> list[Diagnostic]:
    """The most basic of the rules that the value itself breaks: type before choice before range."""
    about_value = [fault for fault in found if fault.keyword in TRANSLATIONS]
    if not about_value:
        return []
    fault = min(about_value, key=lambda fault: _ORDER[fault.keyword])
    problem = TRANSLATIONS[fault.keyword](place, fault.schema)
    span = place.span
    if isinstance(place.node, Sequence) and problem.item is not None:
        span = place.node.items[problem.item].span
    elif isinstance(place.node, Mapping) and problem.code == "LS025":
        span = place.key_span or span
    return [error(problem.code, span, problem.message, problem.hint)]


@dataclass(frozen=True, slots=True)
class _Keys:
    """A mapping. `undecided`: its kind is wrong or missing, so any kind's key may be right. `homes`: see `_homes`."""

    schema: Schema
    place: Place
    node: Mapping
    undecided: bool
    homes: Callable[[], dict[str, str]]


def _key_problems(keys: _Keys, found: list[Fault]) -> list[Diagnostic]:
    """LS020 for each unknown key, and LS024 where some are missing."""
    strange = _strange_keys(keys)
    problems = _unknown(keys, strange) if any(fault.keyword in _UNKNOWN for fault in found) else []
    required = [name for fault in found if fault.keyword == "required" for name in fault.schema["required"]]
    missing = [name for name in dict.fromkeys(required) if name not in keys.node.entries]
    misspelled = [key for key, owners in strange.items() if not owners]
    missing = [name for name in missing if not any(nearest(key, [name]) for key in misspelled)]
    return problems + ([_missing(keys.place, keys.node, missing)] if missing else [])


def _strange_keys(keys: _Keys) -> dict[str, list[str]]:
    """Each key that does not belong here -> the kinds that it would belong to (none: most likely misspelled)."""
    fixed = property_schemas(keys.place.parts)
    found = [key for key in keys.node.entries if key not in fixed and free_key_schemas(keys.place.parts, key) is None]
    explained = {key: _owners(keys.schema, keys.place.parts, key) for key in found[:MAX_PROBLEMS]}
    return explained | {key: [_UNEXPLAINED] for key in found[MAX_PROBLEMS:]}


def _unknown(keys: _Keys, strange: dict[str, list[str]]) -> list[Diagnostic]:
    fixed = list(property_schemas(keys.place.parts))
    where = f" in {quoted(keys.place.name)}" if keys.place.name else ""
    problems: list[Diagnostic] = []
    for key, owners in strange.items():
        if owners == [_UNEXPLAINED]:
            problems.append(error("LS020", keys.node.entries[key].key_span, f"unknown key {quoted(key)}"))
            continue
        if owners and keys.undecided:
            continue
        message = f"unknown key {quoted(key)}{where}"
        home = None if nearest(key, fixed) else keys.homes().get(key)
        hint = f"did you mean {quoted(home)}?" if home else did_you_mean(key, fixed) or "this mapping takes no keys"
        if owners:
            message = f"{quoted(key)}{where} goes with {listing(owners)} only"
            hint = f"remove it, or change what selects it; allowed here: {listing(fixed)}"
        problems.append(error("LS020", keys.node.entries[key].key_span, message, hint))
    return problems


def _homes(schema: Schema) -> dict[str, str]:
    """Name of a key -> its place at the top or in a section, for keys that stand in the wrong one."""
    paths = [info.path for info in all_keys(schema) if info.path.count(".") <= 1]
    return {path.split(".")[-1]: path for path in reversed(paths)}


def _missing(place: Place, node: Mapping, missing: list[str]) -> Diagnostic:
    where = quoted(place.name) if place.name else "the spec"
    several = len(missing) > 1
    message = f"{where} lacks {listing(missing)}, which {'are' if several else 'is'} required"
    span = place.key_span or _first_key(node) or place.span
    return error("LS024", span, message, "write the missing keys" if several else _how_to_write(place, missing[0]))


def _how_to_write(place: Place, key: str) -> str:
    schemas = property_schemas(place.parts).get(key, [])
    choices, about = find(schemas, "enum"), find(schemas, "description")
    if choices:
        return f"write {'one of ' if len(choices) > 1 else ''}{listing(f'{key}: {choice}' for choice in choices)}"
    return f"write {quoted(f'{key}: …')}" + (f", {_within_a_sentence(sentence(about))}" if about else "")


def _within_a_sentence(text: str) -> str:
    """Without the capital that begins a sentence; `MLP` and `SentencePiece` keep theirs."""
    plain_word = text.split(maxsplit=1)[0][1:].islower() or text[1:2] == " "
    return text[0].lower() + text[1:] if plain_word else text


def _first_key(node: Mapping) -> Span | None:
    return next((entry.key_span for entry in node.entries.values()), None)


def _owners(root: Schema, parts: list[Schema], key: str) -> list[str]:
    """`kind: unet` for each branch that did not apply but would know `key`."""
    conditions = [part["if"]["properties"] for part in parts if "if" in part and _knows(root, part["then"], key)]
    return [f"{name}: {test['const']}" for tests in conditions for name, test in tests.items()]


def _knows(root: Schema, branch: Schema, key: str) -> bool:
    return key in property_schemas(unconditional(root, [branch]))
