"""Words shared by messages: quoting, listing, and the nearest name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_LONGEST_QUOTE = 60
_LONGEST_LIST = 12
_FEW = 3


def visible(text: str) -> str:
    """`text` with control and other unprintable characters as escapes, safe to print on one line."""
    if text.isprintable():
        return text
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode("ascii") for ch in text)


def quoted(value: object) -> str:
    """`value` in backticks, shortened in the middle when it is long."""
    text = visible(str(value))
    if len(text) > _LONGEST_QUOTE:
        half = _LONGEST_QUOTE // 2
        text = f"{text[:half]}…{text[-half:]}"
    return f"`{text}`"


def listing(values: Iterable[object]) -> str:
    """`a`, `b` and 3 more: the values in backticks, bounded in number."""
    items = list(values)
    shown = ", ".join(quoted(item) for item in items[:_LONGEST_LIST])
    rest = len(items) - _LONGEST_LIST
    return f"{shown} and {rest} more" if rest > 0 else shown


def few(names: Sequence[str]) -> str:
    """The first three names and how many more, plainly: for stores, of which there may be hundreds."""
    return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")


def nearest(word: str, candidates: Sequence[str]) -> str | None:
    """The candidate that `word` most likely stands for, or None."""
    import difflib  # only wanted when there is something to report

    folded = {candidate.lower().replace("-", "_"): candidate for candidate in reversed(candidates)}
    close = difflib.get_close_matches(word.lower().replace("-", "_"), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(word: str, candidates: Sequence[str]) -> str:
    """One line naming the nearest candidate, or else all of them ("" when there is none)."""
    close = nearest(word, candidates)
    if close is not None:
        return f"did you mean {quoted(close)}?"
    return f"allowed here: {listing(candidates)}" if candidates else ""
