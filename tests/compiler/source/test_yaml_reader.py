import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler.source import yaml_reader
from loopspec.compiler.source.files import decode
from loopspec.compiler.source.nodes import Mapping, node_at, span_at, to_plain
from loopspec.compiler.source.report import render
from loopspec.compiler.source.span import Span
from loopspec.compiler.source.yaml_reader import MAX_DEPTH, parse_yaml


def plain(text):
    parsed = parse_yaml(text, "f")
    assert parsed.diagnostics == ()
    return to_plain(parsed.node)


def places(text):
    """`CODE line:column-end` of every problem."""
    return [f"{d.code} {d.span.line}:{d.span.column}-{d.span.end_column}" for d in parse_yaml(text, "f").diagnostics]


def test_values_and_spans():
    text = "a: 1\nb:\n  - x\n  - {c: 3e-4, d: [on, 'é', \"10\"]}\ne:\n\n# end\n"
    root = parse_yaml(text, "f").node
    assert to_plain(root) == {"a": 1, "b": ["x", {"c": 3e-4, "d": ["on", "é", "10"]}], "e": None}
    assert node_at(root, ("b", 1, "d", 1)).span == Span("f", 4, 23, 4, 26)
    assert span_at(root, ("b", 1, "d"), key=True) == Span("f", 4, 15, 4, 16)
    assert span_at(root, ("b", 1, "d")) == Span("f", 4, 18, 4, 33)
    assert span_at(root, ("b",)) == Span("f", 3, 3, 4, 34)
    assert span_at(root, ("e",)) == Span("f", 5, 1, 5, 2), "nothing is written: the key stands for the value"
    assert span_at(root, ("b", 1, "missing", "deep")) == Span("f", 4, 5, 4, 34), "nearest ancestor"
    assert span_at(root, ("b", 7)) == Span("f", 2, 1, 2, 2)
    assert span_at(root, ("nope",)) == root.span == Span("f", 1, 1, 5, 2)


def test_anchors_are_expanded_and_keep_the_place_of_the_alias():
    root = parse_yaml("a: &x {b: 1}\nc: *x\n", "f").node
    assert to_plain(root) == {"a": {"b": 1}, "c": {"b": 1}}
    assert node_at(root, ("c",)).span == Span("f", 2, 4, 2, 6)
    assert node_at(root, ("c", "b")).span == Span("f", 1, 11, 1, 12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["LS005 1:1-1"]),
        ("# only a comment\n", ["LS005 1:1-1"]),
        ("a: 1\n---\nb: 2\n", ["LS006 2:1-4"]),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", ["LS006 1:1-4"]),
        ("a: 1\nb: 2\na: 3\na: 4\n", ["LS008 3:1-2", "LS008 4:1-2"]),
        ("1: a\ntrue: b\n[x]: c\nnull: d\n'1': fine\n", ["LS009 1:1-2", "LS009 2:1-5", "LS009 3:1-4", "LS009 4:1-5"]),
        ("? " + "k" * 129 + "\n: 1\n", ["LS009 1:3-132"]),
        ("a: !!python/object/apply:os.system [ls]\nb: ! x\n", ["LS010 1:4-37", "LS010 2:4-7"]),
        ("x: &b {a: 1}\ny:\n  <<: *b\n", ["LS011 3:3-5"]),
        ("a: *nope\n", ["LS012 1:4-9"]),
        ("a: &a [*a]\n", ["LS012 1:8-10"]),
        ("a: &x 1\nb: &x 2\n", ["LS012 2:4-8"]),
        ("a: .nan\nb: 123456789012345678901\n", ["LS013 1:4-8", "LS013 2:4-25"]),
        ("a: x\x00y\n", ["LS003 1:5-6"]),
        ("a: 1\nb: x\u2028y\n", ["LS003 2:5-6"]),
    ],
)
def test_refusals(text, expected):
    assert places(text) == expected


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a:\n\tb: 1\n", (2, 1), "tab"),
        ("a: b: c\n", (1, 5), "`:` cannot stand here"),
        ("a: 1\n b: 2\n", (2, 3), "`:` cannot stand here"),
        ("a:\n  b: 1\n c: 2\n", (3, 2), "does not fit the mapping"),
        ("a: 1\nbcd\ne: 2\n", (2, 1), "`:` is missing"),
        ("a: [1, 2\nb: 3\n", (2, 2), "list in brackets is not closed"),
        ("a: {b: 1\n", (1, 9), "mapping in braces is not closed"),
        ("a: 'b\n", (1, 6), "quoted text is not closed"),
        ("a: @b\n", (1, 4), "cannot start with `@`"),
        ('a: "\\q"\n', (1, 5), "no escape"),
        ("a:\n  - 1\n  b\n", (3, 3), "`:` is missing"),
        ("a:\n  - 1\n  b: 2\n", (3, 3), "does not fit the list"),
        ("a: - 1\n", (1, 4), "a list cannot start"),
        ("a: [1,, 2]\n", (1, 7), "a value is missing"),
        ("a: 1\nb: [2]]\n", (2, 7), "does not fit the mapping"),
    ],
)
def test_syntax_errors_in_plain_words(text, place, words):
    (problem,) = parse_yaml(text, "f").diagnostics
    assert problem.code == "LS004"
    assert (problem.span.line, problem.span.column) == place
    assert words in problem.message
    assert problem.hint


def test_duplicate_cites_the_first():
    (problem,) = parse_yaml("a: 1\na: 2\n", "f").diagnostics
    assert problem.related[0].span == Span("f", 1, 1, 1, 2)


def test_alias_bomb_is_refused_in_milliseconds():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    start = time.perf_counter()
    parsed = parse_yaml("\n".join(lines), "f")
    assert time.perf_counter() - start < 0.1
    assert [d.code for d in parsed.diagnostics] == ["LS007"]
    assert parsed.node is None


def test_depth_is_bounded_also_through_aliases():
    assert plain("[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1))
    assert places("[" * 5000)[-1].startswith("LS007")
    lines = ["a0: &a0 {x: 1}", *(f"a{i}: &a{i} {{x: *a{i - 1}}}" for i in range(1, 60))]
    assert places("\n".join(lines))[0].startswith("LS007 31:15")


def test_many_values_are_bounded(monkeypatch):
    monkeypatch.setattr(yaml_reader, "MAX_NODES", 1000)
    assert places("[" + "1," * 999 + "]") == []
    assert places("[" + "1," * 1000 + "]") == ["LS007 1:2000-2001"]


def test_parsing_goes_on_after_problems():
    parsed = parse_yaml("a: 1\na: 2\nb: !x 3\nc: .inf\n<<: {}\nd: 4\n", "f")
    assert [d.code for d in parsed.diagnostics] == ["LS008", "LS010", "LS013", "LS011"]
    assert to_plain(parsed.node) == {"a": 1, "b": 3, "c": None, "d": 4}
    assert not node_at(parsed.node, ("c",)).valid


@pytest.mark.parametrize(
    ("data", "place"),
    [(b"a: caf\xe9\n", (1, 7)), (b"\xff\xfea\x00", (1, 1)), ("a: é\nb: ".encode() + b"\x80", (2, 4))],
)
def test_bytes_that_are_not_utf8(data, place):
    (problem,) = decode(data, "f").diagnostics
    assert problem.code == "LS003"
    assert (problem.span.line, problem.span.column) == place


def test_byte_order_mark_does_not_shift_columns():
    source = decode(b"\xef\xbb\xbfa: 1\n", "f")
    assert source.diagnostics == ()
    assert parse_yaml(source.text, "f").node.entries["a"].key_span == Span("f", 1, 1, 1, 2)


def test_without_libyaml_the_tree_is_the_same(monkeypatch):
    text = "a: [1, {b: 'x'}]\nc:\n  - d: |\n      text\n  - 3e-4\n"
    fast = parse_yaml(text, "f")
    monkeypatch.setattr(yaml_reader, "_LOADER", yaml.SafeLoader)
    assert to_plain(parse_yaml(text, "f").node) == to_plain(fast.node)


_YAML_PIECES = st.lists(
    st.sampled_from(
        [
            "a",
            "b: ",
            "- ",
            "\n",
            "  ",
            "\t",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "&a ",
            "*a",
            "!t ",
            "<<: ",
            "? ",
            "|",
            ">",
            "'",
            '"',
            "#",
            "%",
            "---\n",
            "...\n",
            "1e999",
            "0x",
            ".nan",
            "\ufeff",
            "\x00",
            "é",
            "😀",
            "\\",
            ":",
            "\r",
            "\x85",
        ]
    ),
    max_size=40,
).map("".join)


@examples(300)
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")),
                 _YAML_PIECES.map(str.encode)))  # fmt: skip
def test_any_bytes_give_a_tree_or_a_diagnostic(data):
    source = decode(data, "f")
    parsed = parse_yaml(source.text, "f")
    problems = (*source.diagnostics, *parsed.diagnostics)
    assert (parsed.node is not None) or problems
    rendered = render("text", problems, {"f": source.text})
    assert all(ch == "\n" or ch.isprintable() or ch.isspace() for ch in rendered)
    lines = source.text.count("\n") + source.text.count("\r") + 1
    assert all(1 <= d.span.line <= lines and d.span.column >= 1 for d in problems)
    if isinstance(parsed.node, Mapping):
        to_plain(parsed.node)
