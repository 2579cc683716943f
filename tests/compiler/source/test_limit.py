"""A hundred problems are told; of the others, how many there are, or that they were not looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopspec.compiler.check import check_spec
from loopspec.compiler.source.diagnostic import Diagnostic, Severity, error, warning
from loopspec.compiler.source.limit import MAX_PROBLEMS, checking_stopped, limited
from loopspec.compiler.source.span import point


def many(count: int) -> list[Diagnostic]:
    return [error("LS020", point("a.yaml", line), "x") for line in range(count, 0, -1)]


def test_as_many_as_fit_stay_as_they_are() -> None:
    assert limited(many(MAX_PROBLEMS)) == many(MAX_PROBLEMS)


def test_the_first_by_place_stay_and_the_others_are_counted() -> None:
    *kept, last = limited(many(MAX_PROBLEMS + 1234))
    assert [item.span.line for item in kept] == list(range(1, MAX_PROBLEMS + 1))
    assert (last.code, last.severity, last.span.line) == ("LS028", Severity.ERROR, MAX_PROBLEMS + 1)
    assert "there are 1,234 more" in last.message


@pytest.mark.parametrize("severity", [Severity.ERROR, Severity.WARNING])
def test_what_is_not_shown_fails_as_before(severity: Severity) -> None:
    warnings = [warning("LS030", point("a.yaml", line), "x") for line in range(1, MAX_PROBLEMS + 2)]
    late = error("LS020", point("a.yaml", 9999), "x") if severity is Severity.ERROR else warnings[-1]
    assert limited([*warnings, late])[-1].severity is severity


def test_a_check_that_stopped_says_so() -> None:
    assert "2 more at least" in limited([*many(MAX_PROBLEMS + 2), checking_stopped(point("a.yaml"))])[-1].message
    assert limited([*many(3), checking_stopped(point("a.yaml"))])[-1].code == "LS028"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{" + ", ".join(f"k{number}: 1" for number in range(500)) + "}", "there are 401 more"),
        ("graph: [" + "1, " * 500 + "1]", "more at least; checking stopped early"),
        ("[" + "*b, " * 500 + "]", "there are 401 more"),
    ],
)
def test_a_spec_of_a_thousand_problems(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    checked = check_spec(path)
    assert not checked.ok and len(checked.diagnostics) == MAX_PROBLEMS + 1
    assert said in checked.diagnostics[-1].message
