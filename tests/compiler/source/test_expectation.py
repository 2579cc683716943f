from loopspec.compiler.source.diagnostic import error
from loopspec.compiler.source.expectation import apply_expectations, expected_codes
from loopspec.compiler.source.span import Span, point
from loopspec.compiler.source.yaml_reader import parse_yaml


def test_expected_codes_are_marked_and_absent_ones_reported():
    root = parse_yaml("expect: [LS501, LS502, 3]\n", "f").node
    found = [error("LS501", point("f", 9), "dead"), error("LS101", point("f", 8), "cycle")]
    result = apply_expectations(found, expected_codes(root))
    assert [(d.code, d.expected) for d in result] == [("LS501", True), ("LS101", False), ("LS030", False)]
    assert result[2].span == Span("f", 1, 17, 1, 22)
    assert "LS502" in result[2].message


def test_without_the_key_nothing_changes():
    root = parse_yaml("a: 1\n", "f").node
    found = [error("LS101", point("f"), "cycle")]
    assert apply_expectations(found, expected_codes(root)) == found
