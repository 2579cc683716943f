"""The checker against goldens, and against `jsonschema` on generated documents."""

import random
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler.schema import load_schema
from loopspec.compiler.schema.check import check_against_schema
from loopspec.compiler.schema.lookup import all_keys
from loopspec.compiler.schema.values import TRANSLATIONS
from loopspec.compiler.source.canonical import resolved_yaml
from loopspec.compiler.source.yaml_reader import parse_yaml


def kind_branch(kind, properties, required=()):
    condition = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
    return {"if": condition, "then": {"properties": properties, "required": list(required)}}


SMALL = {
    "type": "object",
    "properties": {
        "dim": {"type": "integer", "minimum": 1, "maximum": 64, "unit": "features", "description": "Width. Long text."},
        "rate": {"type": ["number", "null"], "exclusiveMinimum": 0, "default": None},
        "step": {"type": "integer", "multipleOf": 8},
        "tied": {"type": "boolean", "default": True},
        "dtype": {"enum": ["float32", "bfloat16"]},
        "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5, "examples": ["core"]},
        "path": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2, "uniqueItems": True},
        "skips": {"$ref": "#/$defs/skips"},
        "clip": {"$ref": "#/$defs/clip"},
        "mlp": {"$ref": "#/$defs/mlp"},
        "blocks": {
            "type": "object",
            "propertyNames": {"pattern": "^[a-z]+$", "description": "small letters"},
            "additionalProperties": {"$ref": "#/$defs/block"},
            "maxProperties": 2,
        },
    },
    "required": ["dim"],
    "patternProperties": {"^x-": {}},
    "additionalProperties": False,
    "$defs": {
        "block": {
            "type": "object",
            "properties": {"count": {"type": "integer"}, "inner": {"$ref": "#/$defs/block"}},
            "required": ["count"],
            "additionalProperties": False,
        },
        "clip": {
            "type": "object",
            "properties": {"kind": {"enum": ["absmax", "std"], "default": "absmax"}},
            "unevaluatedProperties": False,
            "allOf": [kind_branch("absmax", {"percent": {"type": "integer"}}),
                      kind_branch("std", {"k": {"type": "number"}}, ["k"])],
        },
        "mlp": {
            "type": "object",
            "properties": {"up": {"type": "integer", "description": "MLP matrix. More."}},
            "required": ["up"],
            "additionalProperties": False,
        },
        "skips": {
            "type": "object",
            "properties": {"kind": {"enum": ["unet", "none"]}},
            "required": ["kind"],
            "unevaluatedProperties": False,
            "allOf": [kind_branch("unet", {"scope": {"enum": ["pass", "path"]}, "std": {"type": "number"}}, ["scope"]),
                      kind_branch("none", {"why": {"type": "string"}})],
        },
    },
}  # fmt: skip


def problems(text, schema=SMALL):
    parsed = parse_yaml(text, "f")
    assert not [d for d in parsed.diagnostics if d.code == "LS004"]
    return check_against_schema(parsed.node, schema)


def lines(text):
    return [
        f"{d.code} {d.span.line}:{d.span.column}-{d.span.end_column} {d.message} | {d.hint}"
        for d in sorted(problems(text), key=lambda d: (d.code, d.span))
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dim: 3\nx-mine: {a: [1]}\n", []),
        ("dim: 3\nrate: 2\n", []),
        ("dim: 3\nclip: {}\n", []),
        ("dim: 3\nclip: {percent: 3}\n", []),
        ("dim: 3\nclip: {kind: std, k: 3}\n", []),
        (
            "dim: 3\nclip: {k: 3}\n",
            [
                "LS020 2:8-9 `k` in `clip` goes with `kind: std` only"
                " | remove it, or change what selects it; allowed here: `kind`, `percent`"
            ],
        ),
        ("dim: 3\nclip: {percent: x}\n", ["LS021 2:17-18 `clip.percent` must be a whole number, not the text `x` | "]),
        ("dim: 3\nmlp: {}\n", ["LS024 2:1-4 `mlp` lacks `up`, which is required | write `up: …`, MLP matrix"]),
        ("dim: 3\nrate: null\nskips: {kind: unet, scope: pass, std: 1}\nblocks: {core: {count: 1}}\n", []),
        ("tide: 1\ndim: 3\n", ["LS020 1:1-5 unknown key `tide` | did you mean `tied`?"]),
        (
            "dim: 3\nskips: {kind: none, zzz: 1}\n",
            ["LS020 2:21-24 unknown key `zzz` in `skips` | allowed here: `kind`, `why`"],
        ),
        (
            "dim: 3\nskips: {kind: none, scope: pass}\n",
            [
                "LS020 2:21-26 `scope` in `skips` goes with `kind: unet` only"
                " | remove it, or change what selects it; allowed here: `kind`, `why`"
            ],
        ),
        (
            "dim: 3\nskips: {kind: unt, scope: pass, why: x}\n",
            ["LS023 2:15-18 `skips.kind` cannot be `unt`; allowed: `unet`, `none` | did you mean `unet`?"],
        ),
        (
            "dim: 3\nskips: {scope: pass}\n",
            ["LS024 2:1-6 `skips` lacks `kind`, which is required | write one of `kind: unet`, `kind: none`"],
        ),
        ("{}", ["LS024 1:1-3 the spec lacks `dim`, which is required | write `dim: …`, width"]),
        ("dimm: 3\n", ["LS020 1:1-5 unknown key `dimm` | did you mean `dim`?"]),
        ("dim: 3.0\n", ["LS021 1:6-9 `dim` must be a whole number, not the number 3.0 | write 3"]),
        ("dim: true\n", ["LS021 1:6-10 `dim` must be a whole number, not true | this key is: Width"]),
        (
            "dim: '8'\n",
            ["LS021 1:6-9 `dim` must be a whole number, not the text `8` | remove the quotes to make it a number"],
        ),
        (
            "dim: 1_024\n",
            ["LS021 1:6-11 `dim` must be a whole number, not the text `1_024` | write 1024, without underscores"],
        ),
        ("dim:\n", ["LS021 1:1-4 `dim` must be a whole number, not nothing | this key is: Width"]),
        ("dim: [1]\n", ["LS021 1:6-9 `dim` must be a whole number, not a list | this key is: Width"]),
        ("dim: 3\ntied: yes\n", ["LS021 2:7-10 `tied` must be true or false, not the text `yes` | write true"]),
        (
            "dim: 3\nname: 5\n",
            ['LS021 2:7-8 `name` must be text, not the whole number 5 | write "5", in quotes, for text'],
        ),
        (
            "dim: 3\npath: 5\n",
            ["LS021 2:7-8 `path` must be a list, not the whole number 5 | write [5] for a list of one"],
        ),
        ("dim: 3\nrate: x\n", ["LS021 2:7-8 `rate` must be a number or null, not the text `x` | "]),
        (
            "dim: 3\ndtype: [a]\n",
            ["LS021 2:8-11 `dtype` must be one of `float32`, `bfloat16`, not a list | write one of the allowed values"],
        ),
        ("dim: 65\n", ["LS022 1:6-8 `dim` must be from 1 to 64 (features), not 65 | this key is: Width"]),
        ("dim: 3\nrate: 0\n", ["LS022 2:7-8 `rate` must be above 0, not 0 | "]),
        ("dim: 3\nstep: 12\n", ["LS022 2:7-9 `step` must be a multiple of 8, not 12 | "]),
        (
            "dim: 3\ndtype: float16\n",
            ["LS023 2:8-15 `dtype` cannot be `float16`; allowed: `float32`, `bfloat16` | did you mean `bfloat16`?"],
        ),
        ("dim: 3\npath: []\n", ["LS025 2:7-9 `path` has 0 items, it takes 1 to 2 items | "]),
        (
            "dim: 3\nblocks: {a: {count: 1}, b: {count: 1}, c: {count: 1}}\n",
            ["LS025 2:1-7 `blocks` has 3 keys, it takes at most 2 keys | "],
        ),
        ("dim: 3\npath: [4, 4]\n", ["LS027 2:11-12 `4` stands in `path` already | remove one of the two"]),
        ("dim: 3\nname: A1\n", ["LS026 2:7-9 `name` cannot be `A1`: it must match `^[a-z]+$` | for example `core`"]),
        ("dim: 3\nname: abcdef\n", ["LS026 2:7-13 `name` has 6 characters, at most 5 fit | "]),
        ("dim: 3\nblocks: {A1: {count: 1}}\n", ["LS026 2:10-12 `A1` cannot be a name here | small letters"]),
        (
            "dim: 3\nblocks: {a: {inner: {cuont: 1}}}\n",
            [
                "LS020 2:22-27 unknown key `cuont` in `blocks.a.inner` | did you mean `count`?",
                "LS024 2:10-11 `blocks.a` lacks `count`, which is required | write `count: …`",
            ],
        ),
    ],
)
def test_goldens(text, expected):
    assert lines(text) == expected


def test_all_problems_in_one_run():
    text = "dim: 0\ntied: 1\npath: [a, b]\nnope: 1\nskips: {kind: unet, std: x}\n"
    assert sorted(d.code for d in problems(text)) == ["LS020", "LS021", "LS021", "LS021", "LS021", "LS022", "LS024"]


def test_values_that_the_reader_refused_are_not_reported_again():
    assert problems("dim: .inf\n") == []


STRUCTURE = {"$ref", "allOf", "if", "then", "items", "properties", "patternProperties", "propertyNames"}
CLOSED = {"required", "additionalProperties", "unevaluatedProperties"}
ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "default", "unit", "examples"}


def parts(schema):
    yield schema
    for name in ("properties", "patternProperties", "$defs"):
        for inner in schema.get(name, {}).values():
            yield from parts(inner)
    for inner in [
        *schema.get("allOf", ()),
        *(
            schema[name]
            for name in schema
            if name in ("items", "additionalProperties", "propertyNames", "then") and isinstance(schema[name], dict)
        ),
    ]:
        yield from parts(inner)


@pytest.mark.parametrize("schema", [SMALL, load_schema()], ids=["small", "spec-v1"])
def test_every_keyword_of_the_schema_has_its_words(schema):
    for part in parts(schema):
        assert set(part) <= STRUCTURE | CLOSED | ANNOTATIONS | set(TRANSLATIONS)
        assert ("if" in part) == ("then" in part)
        if "if" in part:
            tests = part["if"]["properties"]
            assert part["if"] == {"properties": tests, "required": list(tests)}
            assert all(set(test) == {"const"} for test in tests.values())


def test_a_pattern_ends_where_the_text_ends():
    assert [d.code for d in problems('dim: 3\nname: "core\\n"\n')] == ["LS026"]


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(load_schema())


def strict_validator(schema):
    """jsonschema with YAML's types: 3.0 is no whole number."""
    is_integer = lambda checker, value: isinstance(value, int) and not isinstance(value, bool)  # noqa: E731
    checker = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer)
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=checker)(schema)


class Generator:
    """Documents that mostly follow a schema, read naively, with a fault here and there."""

    JUNK = (
        None,
        True,
        False,
        0,
        1,
        -1,
        3.0,
        0.5,
        10**12,
        "",
        "unet",
        "none",
        "x y",
        [],
        [1],
        {},
        {"kind": "unet"},
        {"a": 1},
    )

    TEXTS = ("abc", "LS101", "0..8", "9 x 5", "a.b", "step", "all", "quintic")

    def __init__(self, schema, seed, fault_rate):
        self.schema = schema
        self.random = random.Random(seed)
        self.fault_rate = fault_rate

    def value(self, schema, depth=0):
        if self.random.random() < self.fault_rate or depth > 11:
            return self.random.choice(self.JUNK)
        while "$ref" in schema:
            schema = self.schema["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        if "const" in schema or "enum" in schema:
            return self.random.choice([schema["const"]] if "const" in schema else schema["enum"])
        types = schema.get("type", "null")
        return self.of_type(schema, types if isinstance(types, str) else self.random.choice(types), depth)

    def of_type(self, schema, name, depth):
        if name == "object":
            return self.mapping(schema, depth)
        if name == "array":
            return self.items(schema, depth)
        if name == "string":
            fitting = [text for text in self.TEXTS if len(text) <= schema.get("maxLength", len(text))]
            return self.random.choice([text for text in fitting if re.search(schema.get("pattern", ""), text)])
        low = max(schema.get("minimum", -1e9), schema.get("exclusiveMinimum", -1e9))
        high = min(schema.get("maximum", 1e9), schema.get("exclusiveMaximum", 1e9))
        number = (low + high) / 2 if name == "number" else int(high) // schema.get("multipleOf", 1)
        return {"null": None, "boolean": True, "integer": number, "number": number}[name]

    def items(self, schema, depth):
        count = self.random.randint(schema.get("minItems", 0), min(4, schema.get("maxItems", 4)))
        found = [self.value(schema.get("items", {}), depth + 1) for _ in range(count)]
        if schema.get("uniqueItems") and self.random.random() >= self.fault_rate:
            return [item for index, item in enumerate(found) if item not in found[:index]]
        return found

    def mapping(self, schema, depth):
        result = {}
        keep = 0.9 if depth < 2 else 0.3
        self.keys(result, schema, depth, keep)
        if self.random.random() >= self.fault_rate:
            self.keep_count(result, schema, depth)
        for part in schema.get("allOf", ()):
            ((selector, test),) = part["if"]["properties"].items()
            if result.get(selector) == test["const"]:
                self.keys(result, part["then"], depth, keep)
        if isinstance(schema.get("additionalProperties"), dict):
            result["core"] = self.value(schema["additionalProperties"], depth + 1)
        if self.random.random() < self.fault_rate:
            result[self.random.choice(["kind", "scope", "dims", "x-free"])] = 1
        return result

    def keys(self, result, schema, depth, keep):
        for name, inner in schema.get("properties", {}).items():
            if self.random.random() < (1 if name in schema.get("required", ()) else keep):
                result[name] = self.value(inner, depth + 1)

    def keep_count(self, result, schema, depth):
        """Adds and takes keys away until there are as many as the mapping takes."""
        names = list(schema.get("properties", ()))
        self.random.shuffle(names)
        for name in names:
            if len(result) < schema.get("minProperties", 0) and name not in result:
                result[name] = self.value(schema["properties"][name], depth + 1)
        while len(result) > schema.get("maxProperties", len(result)):
            del result[self.random.choice(list(result))]


SCHEMAS = {"small": SMALL, "spec-v1": load_schema()}


@pytest.mark.parametrize("name", SCHEMAS)
@examples(30)
@given(seed=st.integers(0, 2**32), fault_rate=st.sampled_from([0.0, 0.003, 0.01, 0.1]))
def test_agrees_with_jsonschema(name, seed, fault_rate):
    schema = SCHEMAS[name]
    document = Generator(schema, seed, fault_rate).mapping(schema, 0)
    parsed = parse_yaml(resolved_yaml(document), "f")
    assert parsed.diagnostics == ()
    found = check_against_schema(parsed.node, schema)
    reference = [error.message for error in strict_validator(schema).iter_errors(document)]
    assert bool(found) == bool(reference), (found, reference, document)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_generator_makes_both_sorts(name):
    validator = strict_validator(SCHEMAS[name])
    documents = {rate: [Generator(SCHEMAS[name], seed, rate).mapping(SCHEMAS[name], 0) for seed in range(20)]
                 for rate in (0.0, 0.1)}  # fmt: skip
    assert all(validator.is_valid(document) for document in documents[0.0])
    assert not all(validator.is_valid(document) for document in documents[0.1])


def names_of(value):
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield name
        yield from names_of(inner)


def test_the_generator_knows_every_key_of_the_language():
    schema = SCHEMAS["spec-v1"]
    made = {name for seed in range(400) for name in names_of(Generator(schema, seed, 0.0).mapping(schema, 0))}
    assert {info.path.split(".")[-1] for info in all_keys(schema)} - made == {"x-*", "*"}
