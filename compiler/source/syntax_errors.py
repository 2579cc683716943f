"""libyaml's syntax errors in plain words."""

from __future__ import annotations

import yaml

from .diagnostic import Diagnostic, Related, error
from .files import split_lines
from .span import Span, point

# problem text of libyaml or PyYAML (a part of it) -> (message, hint); the first match wins
_WORDS: tuple[tuple[str, str, str], ...] = (
    (
        "mapping values are not allowed",
        "a `:` cannot stand here: this line already has a value, or is indented wrongly",
        "put text that holds `: ` in quotes, or align the key with its neighbours",
    ),
    (
        "could not find expected ':'",
        "a `:` is missing after this key",
        "write `key: value`, with a space after the colon",
    ),
    (
        "did not find expected key",
        "this line does not fit the mapping around it",
        "align it with the other keys of the mapping",
    ),
    ("expected ',' or ']'", "the list in brackets is not closed or lacks a comma", "write `[a, b]`"),
    ("expected ',' or '}'", "the mapping in braces is not closed or lacks a comma", "write `{a: 1, b: 2}`"),
    (
        "did not find expected '-' indicator",
        "this line does not fit the list around it",
        "start each item with `- `, all at the same indentation",
    ),
    (
        "block sequence entries are not allowed",
        "a list cannot start on this line",
        "put `- ` on a line of its own, or write `[a, b]`",
    ),
    ("found unexpected end of stream", "a quoted text is not closed", "add the closing quote (`\"` or `'`)"),
    ("found unexpected document indicator", "a quoted text is not closed before `---`", "add the closing quote"),
    (
        "found unknown escape character",
        "this is no escape that YAML knows in a double-quoted text",
        "double the backslash, or use single quotes",
    ),
    ("did not find expected node content", "a value is missing here", "remove the comma, or write the value"),
    (
        "did not find expected <document start>",
        "text follows the end of the spec's mapping",
        "align this line with the keys at the start of the file",
    ),
    ("tab", "a tab stands where only spaces may", "indent with spaces"),
    ("expected <block end>", "this line does not fit the block around it", "align it with its neighbours"),
)
_OPENERS = ("while parsing a flow", "while scanning a quoted")


def syntax_problem(fault: yaml.YAMLError, text: str, file: str) -> Diagnostic:
    """LS004 for an error of the YAML parser, with its place and, where it names one, the place it began."""
    problem = str(getattr(fault, "problem", None) or getattr(fault, "reason", None) or fault).split("\n")[0]
    mark = getattr(fault, "problem_mark", None)
    if "could not find expected ':'" in problem:  # the parser notices on a later line; the key is what lacks the colon
        mark = getattr(fault, "context_mark", None) or mark
    span = point(file) if mark is None else _clip(mark.line, mark.column, text, file)
    message, hint = _plain_words(problem, span, text)
    return error("LS004", span, message, hint, _began(fault, span, text, file))


def _plain_words(problem: str, span: Span, text: str) -> tuple[str, str]:
    if "cannot start any token" in problem:
        return _bad_start(span, text)
    for part, message, hint in _WORDS:
        if part in problem:
            return message, hint
    return f"this is not valid YAML: {problem}", "see `explain LS004` for the usual causes"


def _bad_start(span: Span, text: str) -> tuple[str, str]:
    character = split_lines(text)[span.line - 1][span.column - 1 : span.column]
    if character == "\t":
        return "a tab stands where only spaces may", "indent with spaces"
    return f"a value cannot start with `{character}`", "put the text in quotes"


def _began(fault: yaml.YAMLError, span: Span, text: str, file: str) -> tuple[Related, ...]:
    mark = getattr(fault, "context_mark", None)
    context = str(getattr(fault, "context", ""))
    if mark is None or not context.startswith(_OPENERS):
        return ()
    start = _clip(mark.line, mark.column, text, file)
    return (Related(start, "it began here"),) if start != span else ()


def _clip(line: int, column: int, text: str, file: str) -> Span:
    """The one-character place at a 0-based mark; the end of the last line with text for a mark past the end."""
    lines = split_lines(text)
    if line < len(lines) and column < len(lines[line]):
        return Span(file, line + 1, column + 1, line + 1, column + 2)
    line = min(line, len(lines) - 1)
    while line > 0 and not lines[line].strip():
        line -= 1
    column = min(column, len(lines[line])) if line < len(lines) else 0
    end = len(lines[line].rstrip()) if column == 0 else column
    return point(file, line + 1, end + 1)
