"""LS401 to LS404: the predicted size against the budget, and its margin."""

from __future__ import annotations

from collections.abc import Iterable

from ..passes.draft import Draft
from ..plan import SizeEstimate
from ..spec import Budget
from ..spec.quantization import Scheme
from .findings import Findings


def check_margin(findings: Findings, draft: Draft) -> None:
    """A margin is only stated where some scheme keeps it."""
    schemes = [rule.scheme for rule in draft.spec.quantization.rules]
    if draft.spec.budget.margin and not any(scheme.kind == "rate_distortion" for scheme in schemes):
        message = "no scheme fits itself to the budget, so a margin has no effect"
        hint = "remove it, or give stores the scheme {kind: rate_distortion}"
        findings.error("LS403", ("budget", "margin"), message, hint, key=True)


def check_budget(findings: Findings, draft: Draft) -> None:
    """Over budget is an error only where the whole interval is above the limit."""
    size, budget = draft.size, draft.spec.budget
    assert size is not None
    if _margin_takes_all(budget, draft):
        message = (
            f"{budget.code_bytes:,} bytes of code and {budget.margin:,} of margin leave nothing of {budget.bytes:,}"
        )
        findings.error("LS404", ("budget", "margin"), message, "raise budget.bytes, or lower budget.margin")
    elif size.low_bytes > size.limit_bytes:
        findings.error("LS401", ("budget", "bytes"), f"over budget: {_figures(size)}", _saving(size, draft))
    elif size.high_bytes > size.limit_bytes:
        hint = f"to be sure, save {size.high_bytes - size.limit_bytes:,} bytes"
        findings.warning("LS402", ("budget", "bytes"), f"may be over budget: {_figures(size)}", hint)
    elif _fitted(draft) and size.low_bytes > size.limit_bytes - budget.margin:
        message = f"a margin of {budget.margin:,} bytes cannot be kept with the coarsest grids: {_figures(size)}"
        hint = f"lower it to {size.limit_bytes - size.high_bytes:,}, or narrow the model"
        findings.error("LS404", ("budget", "margin"), message, hint)


def _fitted(draft: Draft) -> bool:
    return any(scheme.kind == "rate_distortion" for scheme in draft.schemes.values())


def _margin_takes_all(budget: Budget, draft: Draft) -> bool:
    """Where there is no margin, and where none is kept, code that takes all is a matter of LS401."""
    return budget.margin > 0 and _fitted(draft) and budget.bytes <= budget.margin + budget.code_bytes


def _figures(size: SizeEstimate) -> str:
    return (
        f"{size.predicted_bytes:,} bytes predicted ({size.low_bytes:,} to {size.high_bytes:,}, "
        f"of them {size.code_bytes:,} code), limit {size.limit_bytes:,}"
    )


def _saving(size: SizeEstimate, draft: Draft) -> str:
    if size.code_bytes >= size.limit_bytes:
        return "the code alone takes it all: raise budget.bytes, or lower budget.code_bytes"
    return f"save {size.predicted_bytes - size.limit_bytes:,} bytes: {_ways(draft.schemes.values())}"


def _ways(schemes: Iterable[Scheme]) -> str:
    """What would make an artifact smaller under these schemes."""
    kinds = list(schemes)
    ways = ["fewer or narrower blocks"]
    if any(scheme.kind == "integer" for scheme in kinds):
        ways.append("fewer bits")
    if any(scheme.clip is not None and scheme.clip.k is not None for scheme in kinds):
        ways.append("a larger clip k")
    if len(ways) == 1:
        return f"{ways[0]}, or more sharing"
    return ", ".join(ways[:-1]) + f"{',' if len(ways) > 2 else ''} or {ways[-1]}"
