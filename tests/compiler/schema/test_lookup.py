import pytest

from loopspec.compiler.schema import load_schema
from loopspec.compiler.schema.lookup import NO_DEFAULT, UnknownKeyError, all_keys, known_path, lookup_key, takes_null

SCHEMA = {
    "type": "object",
    "properties": {
        "model": {
            "type": "object",
            "description": "The model.",
            "default": {},
            "required": ["dim"],
            "properties": {
                "dim": {"description": "Width.", "type": "integer", "minimum": 1, "maximum": 64.0, "unit": "features"},
                "softcap": {"description": "Cap.", "type": ["number", "null"], "exclusiveMinimum": 0, "default": None},
            },
        },
        "blocks": {"description": "Blocks.", "type": "object", "additionalProperties": {"$ref": "#/$defs/block"}},
        "graph": {"description": "Stages.", "type": "array", "items": {"$ref": "#/$defs/stage"}},
    },
    "$defs": {
        "attention": {
            "description": "A.",
            "type": "object",
            "properties": {"heads": {"description": "H.", "type": "integer"}},
        },
        "block": {
            "type": "object",
            "description": "A block.",
            "properties": {"attention": {"$ref": "#/$defs/attention"}},
        },
        "stage": {
            "type": "object",
            "description": "A stage.",
            "properties": {
                "loops": {"description": "Loops.", "type": "integer", "default": 1},
                "stages": {"description": "Inner.", "type": "array", "items": {"$ref": "#/$defs/stage"}},
                "init": {
                    "description": "Start.",
                    "type": "object",
                    "properties": {"kind": {"description": "Which.", "enum": ["normal", "orthogonal", "zero"]}},
                    "allOf": [
                        {
                            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                            "then": {
                                "properties": {"kind": {"const": kind}, "std": {"description": text, "type": "number"}}
                            },
                        }
                        for kind, text in [("normal", "S."), ("orthogonal", "S."), ("zero", "Other.")]
                    ],
                },
            },
        },
    },
}


@pytest.mark.parametrize(
    ("dotted", "path"),
    [
        ("model.dim", "model.dim"),
        ("blocks.core.attention.heads", "blocks.*.attention.heads"),
        ("blocks.*.attention.heads", "blocks.*.attention.heads"),
        ("blocks.core", "blocks.*"),
        ("graph[].loops", "graph[].loops"),
        ("graph[0].loops", "graph[].loops"),
        ("graph.0.loops", "graph[].loops"),
        ("graph.[].loops", "graph[].loops"),
        ("graph[1].stages[2].stages[0].loops", "graph[].stages[].stages[].loops"),
        ("attention.heads", "blocks.*.attention.heads"),
        ("softcap", "model.softcap"),
    ],
)
def test_names_resolve(dotted, path):
    assert lookup_key(SCHEMA, dotted).path == path


def test_what_the_schema_says():
    info = lookup_key(SCHEMA, "model.dim")
    assert (info.description, info.type, info.unit, info.range) == (
        "Width.",
        "a whole number",
        "features",
        "from 1 to 64",
    )
    assert info.required and info.default is NO_DEFAULT
    softcap = lookup_key(SCHEMA, "model.softcap")
    assert (softcap.type, softcap.range, softcap.default) == ("a number or null", "above 0", None)
    assert not softcap.required


def test_a_list_allows_what_its_items_allow():
    listed = {"description": "D.", "type": "array", "items": {"$ref": "#/$defs/one"}}
    schema = {"properties": {"without": listed}, "$defs": {"one": {"enum": ["skips", "delta"]}}}
    info = lookup_key(schema, "without")
    assert (info.type, info.allowed) == ("a list", ("skips", "delta"))


def test_keys_of_variants():
    info = lookup_key(SCHEMA, "graph.0.init.std")
    assert (info.description, info.variants) == ("S.", ("kind: normal", "kind: orthogonal"))
    assert [(other.description, other.variants) for other in info.alternatives] == [("Other.", ("kind: zero",))]
    kind = lookup_key(SCHEMA, "graph.0.init.kind")
    assert (kind.type, kind.allowed, kind.variants) == ("text", ("normal", "orthogonal", "zero"), ())


@pytest.mark.parametrize(
    ("dotted", "words"),
    [("modle.dim", "did you mean `model.dim`?"), ("", "no key"), ("loops", "could be"), ("model.dim.x", "no key")],
)
def test_unknown_names(dotted, words):
    if dotted == "loops":
        assert lookup_key(SCHEMA, dotted).path == "graph[].loops"
        return
    with pytest.raises(UnknownKeyError, match="key") as caught:
        lookup_key(SCHEMA, dotted)
    assert words in str(caught.value)


def test_all_keys_lists_a_recursive_part_once():
    assert [info.path for info in all_keys(SCHEMA)] == [
        "model", "model.dim", "model.softcap", "blocks", "blocks.*", "blocks.*.attention", "blocks.*.attention.heads",
        "graph", "graph[].loops", "graph[].stages", "graph[].init", "graph[].init.kind", "graph[].init.std",
        "graph[].init.std",
    ]  # fmt: skip


def test_known_path_wants_a_default():
    assert known_path(SCHEMA, ("model", "softcap"))
    assert known_path(SCHEMA, ("graph", 0, "loops"))
    assert not known_path(SCHEMA, ("model", "dim"))
    assert not known_path(SCHEMA, ("blocks", "new"))
    assert not known_path(SCHEMA, ("nope",))


def test_which_keys_take_null():
    assert takes_null(SCHEMA, ("model", "softcap"))
    assert not takes_null(SCHEMA, ("model", "dim"))
    assert not takes_null(SCHEMA, ("nope",))


def test_every_key_of_the_language_is_described_and_found_by_its_path():
    schema = load_schema()
    keys = all_keys(schema)
    assert len({info.path for info in keys}) > 100
    for info in keys:
        assert info.description, info.path
        assert info.type or info.path == "x-*", info.path
        assert lookup_key(schema, info.path).path == info.path
