import json

import pytest

from loopspec.compiler.source.diagnostic import Diagnostic, Related, Severity, error, has_errors, warning
from loopspec.compiler.source.excerpt import MAX_WIDTH, excerpt
from loopspec.compiler.source.report import RENDERERS, render, summary
from loopspec.compiler.source.span import Span, point

TEXTS = {"a.yaml": "x: 1\nab:\t[1, 日本, é]\nx: 2\n", "b.yaml": "y: 1\n"}
TWICE = error("LS008", Span("a.yaml", 3, 1, 3, 2), "the key `x` is written twice", "keep one",
              (Related(Span("a.yaml", 1, 1, 1, 2), "first written here"),
               Related(Span("b.yaml", 1, 4, 1, 5), "the parent's")))  # fmt: skip
WIDE = warning("LS021", Span("a.yaml", 2, 9, 2, 11), "no")


def test_text_golden():
    assert render("text", [TWICE, WIDE, TWICE], TEXTS) == (
        "a.yaml:2:9: warning[LS021]: no\n"
        "2 | ab:    [1, 日本, é]\n"
        "  |            ^^^^\n"
        "\n"
        "a.yaml:3:1: error[LS008]: the key `x` is written twice\n"
        "3 | x: 2\n"
        "  | ^\n"
        "1 | x: 1\n"
        "  | - first written here\n"
        "  --> b.yaml:1:4\n"
        "1 | y: 1\n"
        "  |    - the parent's\n"
        "  = hint: keep one\n"
        "\n"
        "1 error, 1 warning\n"
    )


def test_nothing_to_say():
    assert [render(name, [], {}) for name in RENDERERS] == ["", "[]\n", ""]


def test_json():
    (item,) = json.loads(render("json", [TWICE], TEXTS))
    assert item["code"] == "LS008"
    assert (item["file"], item["line"], item["column"], item["end_column"]) == ("a.yaml", 3, 1, 2)
    assert item["related"][1] == {
        "file": "b.yaml", "line": 1, "column": 4, "end_line": 1, "end_column": 5, "message": "the parent's"
    }  # fmt: skip


def test_github_escapes():
    item = error("LS001", Span("a,b:c.yaml", 1, 2, 1, 5), "50% of\nit", "mend")
    assert render("github", [item], {}) == (
        "::error file=a%2Cb%3Ac.yaml,line=1,col=2,endColumn=4,title=LS001::50%25 of%0Ait (mend)\n"
    )


def test_expected_does_not_count():
    item = Diagnostic("LS501", Severity.ERROR, point("a.yaml"), "dead gate", expected=True)
    assert "a.yaml:1:1: expected error[LS501]: dead gate" in render("text", [item], TEXTS)
    assert render("github", [item], {}).startswith("::notice ")
    assert summary([item]) == "1 expected"
    assert not has_errors([item, WIDE])
    assert has_errors([TWICE])


def test_colour_only_when_told():
    assert "\x1b" not in render("text", [TWICE], TEXTS)
    assert "\x1b[1;31m" in render("text", [TWICE], TEXTS, colour=True)


@pytest.mark.parametrize(
    ("line", "column", "end", "under"),
    [
        ("abc", 2, 3, "b"),
        ("\tx\ty", 4, 5, "y"),
        ("日本: x", 5, 6, "x"),
        ("e\u0301e: x", 5, 6, " "),
        ("abc", 4, 4, ""),
        ("a\x1b[31mb", 2, 3, "\\x1b"),
    ],
)
def test_caret_stands_under_the_span(line, column, end, under):
    shown = excerpt(line, Span("f", 1, column, 1, end))
    cells = "".join(ch + "\0" * (ord(ch) in range(0x3000, 0xA000)) for ch in shown.line if ch != "\u0301")
    assert cells[shown.caret : shown.caret + shown.width].replace("\0", "") == under


def test_a_long_line_is_a_window_round_the_caret():
    line = "".join(f"k{i:05d}: 1, " for i in range(1000))
    column = line.index("k00500") + 1
    shown = excerpt(line, Span("f", 1, column, 1, column + 6))
    assert shown.line[shown.caret : shown.caret + shown.width] == "k00500"
    assert shown.line.startswith("…") and shown.line.endswith("…")
    assert len(shown.line) <= MAX_WIDTH + 2


def test_a_block_is_underlined_to_the_end_of_its_first_line():
    shown = excerpt("a:\n  b: 1   \n  c: 2\n", Span("f", 2, 3, 3, 7))
    assert (shown.caret, shown.width) == (2, 4)
