"""How many problems are told: nobody mends a thousand, and each takes time to explain and to print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .diagnostic import Diagnostic, Severity, error
from .report import ordered
from .span import Span

MAX_PROBLEMS = 100
CODE = "LS028"
_HINT = "mend the first ones, then check again"


def checking_stopped(span: Span) -> Diagnostic:
    """LS028 at the place where no more problems were looked for, so that their number is not known."""
    message = f"more than {MAX_PROBLEMS} problems: checking stopped here, and there may be more"
    return error(CODE, span, message, _HINT)


def limited(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """All of them, or the first `MAX_PROBLEMS` by place and one LS028, as severe as the worst of the others."""
    given = list(problems)
    found = ordered(item for item in given if item.code != CODE)
    kept, rest = found[:MAX_PROBLEMS], found[MAX_PROBLEMS:]
    if not rest:
        return given
    stopped = any(item.code == CODE for item in given)
    more = f"{len(rest):,} more at least; checking stopped early" if stopped else f"{len(rest):,} more"
    told = error(CODE, rest[0].span, f"{MAX_PROBLEMS} problems are shown, and there are {more}", _HINT)
    severity = _worst(rest)
    return [*kept, replace(told, severity=severity or Severity.ERROR, expected=severity is None)]


def _worst(items: Sequence[Diagnostic]) -> Severity | None:
    """None where all were expected."""
    severities = [item.severity for item in items if not item.expected]
    return next((severity for severity in Severity if severity in severities), None)
