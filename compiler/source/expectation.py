"""`expect: [LS501]`: a published fault is kept as it was, and noticed when it goes away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .diagnostic import Diagnostic, error
from .nodes import Mapping, Scalar
from .nodes import Sequence as SequenceNode
from .span import Span

KEY = "expect"
NEVER_EXPECTED = frozenset(
    {"LS302", "LS303", "LS305", "LS310", "LS311", "LS313", "LS522", "LS525", "LS526", "LS530", "LS531", "LS533"}
)
"""Problems that fail though a spec expects them: its run or its artifact could be made only otherwise than it says."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A code that the spec says will be reported, and where it says so."""

    code: str
    span: Span


def expected_codes(root: Mapping) -> tuple[Expected, ...]:
    """The codes of the top-level list `expect`; entries that are no text are left to the schema check."""
    entry = root.entries.get(KEY)
    if entry is None or not isinstance(entry.value, SequenceNode):
        return ()
    items = [item for item in entry.value.items if isinstance(item, Scalar)]
    return tuple(Expected(item.value, item.span) for item in items if isinstance(item.value, str))


def apply_expectations(diagnostics: Iterable[Diagnostic], expected: Sequence[Expected]) -> list[Diagnostic]:
    """The diagnostics with the expected ones marked, and LS030 for each expected code that did not come.

    Those of `NEVER_EXPECTED` stay as they are.
    """
    codes = {item.code for item in expected} - NEVER_EXPECTED
    marked = [replace(item, expected=True) if item.code in codes else item for item in diagnostics]
    came = {item.code for item in marked}
    return marked + [_did_not_come(item) for item in expected if item.code not in came]


def _did_not_come(item: Expected) -> Diagnostic:
    message = f"{item.code} was expected, and this spec no longer has that problem"
    return error("LS030", item.span, message, f"remove {item.code} from `expect`")
