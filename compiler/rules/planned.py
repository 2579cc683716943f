"""LS301, LS302, LS304: rules of quantization without effect, stores without a rule, and std clips of constants."""

from __future__ import annotations

from ..passes.draft import Draft
from ..passes.quantization import first_rule, matches
from ..size.layout import row_shape
from ..source.wording import few
from ..spec.init import Init
from ..spec.quantization import Match
from .findings import Findings
from .grids import taken_stores


def check_quantization(findings: Findings, draft: Draft) -> None:
    """Every rule takes some store of the artifact, and every store of the artifact has a rule."""
    assert draft.graph is not None
    policy = draft.spec.quantization
    exported = [store for store in draft.graph.stores if store.exported]
    taken = {first_rule(draft, store) for store in exported}
    for index, rule in enumerate(policy.rules):
        if index in taken:
            continue
        reason = _why_nothing(rule.match, draft)
        findings.error(
            "LS301",
            ("quantization", "rules", index),
            f"this rule has no effect: {reason}",
            "remove it, or change its conditions or its place",
        )
    missing = [store.name for store in exported if store.name not in draft.schemes]
    if missing:
        findings.error(
            "LS302",
            ("quantization", "rules"),
            f"no rule takes {few(missing)}",
            "end the list with a rule without conditions, such as {scheme: {kind: float16}}",
            key=True,
        )


def _why_nothing(match: Match, draft: Draft) -> str:
    assert draft.graph is not None
    matched = [store for store in draft.graph.stores if matches(match, store, draft.uses[store.name].sites)]
    if any(store.exported for store in matched):
        return "earlier rules take every store that it matches"
    if matched:
        return f"it matches only {few([store.name for store in matched])}, which training alone reads: never packed"
    return "no store matches"


def check_deviations(findings: Findings, draft: Draft) -> None:
    """A grid that ends at k standard deviations needs rows that lie near enough to their mean."""
    for index, rule in enumerate(draft.spec.quantization.rules):
        clip = rule.scheme.clip
        if clip is None or clip.kind != "std":
            continue
        taken = (store for store in taken_stores(draft, index) if row_shape(store.shape)[1] > 1)
        level = [store.name for store in taken if _starts_level(store.init)]
        if level:
            message = f"a std clip takes {few(level)}, which start as a constant other than 0"
            hint = "take them by an earlier rule as float16, or with clip: {kind: absmax}"
            findings.warning("LS304", ("quantization", "rules", index, "scheme", "clip"), message, hint)


def _starts_level(init: Init) -> bool:
    """Whether rows start with a mean that no multiple of their deviation reaches."""
    return init.kind == "identity_mix" or (init.kind == "constant" and init.value != 0)
