from hypothesis import given
from hypothesis import strategies as st

from loopspec.compiler.schema.defaults import fill_defaults, fill_selectors

SCHEMA = {
    "type": "object",
    "properties": {
        "budget": {
            "type": "object",
            "default": {},
            "properties": {
                "bytes": {"type": "integer", "default": 16},
                "code": {"type": ["integer", "null"], "default": None},
            },
        },
        "name": {"type": "string"},
        "optional": {"type": "object", "properties": {"a": {"default": 1}}},
        "skips": {"$ref": "#/$defs/skips", "default": {"kind": "unet"}},
        "blocks": {"type": "object", "additionalProperties": {"$ref": "#/$defs/block"}},
        "stages": {"type": "array", "items": {"$ref": "#/$defs/block"}},
    },
    "$defs": {
        "block": {"type": "object", "properties": {"count": {"default": 1}, "inner": {"$ref": "#/$defs/block"}}},
        "skips": {
            "type": "object",
            "properties": {"kind": {"enum": ["unet", "none"], "default": "none"}},
            "allOf": [
                {
                    "if": {"properties": {"kind": {"const": "unet"}}, "required": ["kind"]},
                    "then": {"properties": {"scope": {"default": "pass"}}},
                }
            ],
        },
    },
}


def test_defaults_fill_at_every_depth_in_the_order_of_the_schema():
    plain = {
        "stages": [{}, {"count": 3}],
        "blocks": {"zeta": {"inner": {}}, "alpha": {"count": 2}},
        "name": "x",
        "budget": {"code": 5},
    }
    filled = fill_defaults(plain, SCHEMA)
    assert filled == {
        "budget": {"bytes": 16, "code": 5},
        "name": "x",
        "skips": {"kind": "unet", "scope": "pass"},
        "blocks": {"zeta": {"count": 1, "inner": {"count": 1}}, "alpha": {"count": 2}},
        "stages": [{"count": 1}, {"count": 3}],
    }
    assert list(filled) == ["budget", "name", "skips", "blocks", "stages"]
    assert list(filled["blocks"]) == ["zeta", "alpha"]
    assert plain["budget"] == {"code": 5}, "the argument is left alone"


def test_a_default_of_null_is_off_and_no_default_stays_absent():
    assert fill_defaults({}, SCHEMA) == {
        "budget": {"bytes": 16, "code": None},
        "skips": {"kind": "unet", "scope": "pass"},
    }


def test_a_default_kind_selects_its_branch():
    assert fill_defaults({"skips": {}}, SCHEMA)["skips"] == {"kind": "none"}


def test_selectors_alone_are_filled_in_at_every_depth_of_a_document_that_may_be_wrong():
    plain = {"skips": {"scope": 3}, "stages": [{"inner": 5}], "nope": [{}]}
    assert fill_selectors(plain, SCHEMA) == {
        "skips": {"scope": 3, "kind": "none"},
        "stages": [{"inner": 5}],
        "nope": [{}],
    }
    listed = {"type": "array", "items": SCHEMA["$defs"]["skips"]}
    assert fill_selectors([{}, {"kind": "unet"}, 3], listed) == [{"kind": "none"}, {"kind": "unet"}, 3]
    assert plain["skips"] == {"scope": 3}


def test_results_share_nothing_with_the_schema():
    first = fill_defaults({}, SCHEMA)
    first["skips"]["scope"] = "changed"
    first["budget"]["bytes"] = 1
    assert fill_defaults({}, SCHEMA)["skips"] == {"kind": "unet", "scope": "pass"}
    assert SCHEMA["properties"]["skips"]["default"] == {"kind": "unet"}


@given(st.fixed_dictionaries({}, optional={"skips": st.sampled_from([{}, {"kind": "unet"}]), "name": st.just("x"),
                                           "stages": st.lists(st.just({}), max_size=2)}))  # fmt: skip
def test_filling_twice_changes_nothing(plain):
    once = fill_defaults(plain, SCHEMA)
    assert fill_defaults(once, SCHEMA) == once
