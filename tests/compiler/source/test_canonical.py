import math

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler.source.canonical import resolved_yaml
from loopspec.compiler.source.nodes import to_plain
from loopspec.compiler.source.yaml_reader import parse_yaml

TRICKY = ["", "~", "null", "on", "1:30", "3e-4", "010", "0o7", ".inf", "<<", "---", "- a", "a: b", "a #b", "#", "a ",
          "é", "\u2028", "\x85", "😀", "\x00", "\ufeff", "..", "%x", "@", "a\nb", "\t", "\\", '"',
          "?", "!t", "&a", "*a", "=", "9" * 30]  # fmt: skip
TEXT = st.one_of(st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**19), 10**19), st.floats(allow_nan=False, allow_infinity=False), TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=15
)


def strict(value):
    """Tells 1 from 1.0 and True, and -0.0 from 0.0."""
    if isinstance(value, dict):
        return [(key, strict(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [strict(item) for item in value]
    return (type(value).__name__, value, math.copysign(1, value) if isinstance(value, float) else 0)


@examples(100)
@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_round_trip(plain):
    text = resolved_yaml(plain)
    parsed = parse_yaml(text, "f")
    assert parsed.diagnostics == ()
    assert strict(to_plain(parsed.node)) == strict(plain)
    assert resolved_yaml(to_plain(parsed.node)) == text


def test_reads_well():
    plain = {
        "spec_version": 1,
        "about": "Six blocks: looped",
        "lr": 1e-05,
        "graph": [{"stage": "trunk", "path": [0, 1, 2], "skips": {"kind": "unet"}}, [["a", "on"], []]],
        "modes": {},
        "long": list(range(60)),
    }
    head = resolved_yaml(plain).split("long:")[0]
    assert head == (
        'spec_version: 1\nabout: "Six blocks: looped"\nlr: 1e-05\ngraph:\n  - stage: trunk\n    path: [0, 1, 2]\n'
        "    skips:\n      kind: unet\n  - - [a, on]\n    - []\nmodes: {}\n"
    )
    assert "long:\n  - 0\n  - 1\n" in resolved_yaml(plain)
