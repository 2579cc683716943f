"""A problem, warning or note with a stable code and a place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .span import Span


class Severity(Enum):
    """How much a diagnostic matters; only an unexpected error fails a check."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that explains a diagnostic, such as the first of two equal keys."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `hint` is one line on the mend ("" for none); `expected` is set by the spec's `expect` list."""

    code: str
    severity: Severity
    span: Span
    message: str
    hint: str = ""
    related: tuple[Related, ...] = ()
    expected: bool = False


def error(code: str, span: Span, message: str, hint: str = "", related: tuple[Related, ...] = ()) -> Diagnostic:
    """A diagnostic of severity error."""
    return Diagnostic(code, Severity.ERROR, span, message, hint, related)


def warning(code: str, span: Span, message: str, hint: str = "", related: tuple[Related, ...] = ()) -> Diagnostic:
    """A diagnostic of severity warning."""
    return Diagnostic(code, Severity.WARNING, span, message, hint, related)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """True when some diagnostic is an error that the spec did not expect."""
    return any(item.severity is Severity.ERROR and not item.expected for item in diagnostics)
