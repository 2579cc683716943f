"""Rules that need the plan: quantization without effect (LS3xx), and the budget (LS4xx)."""

from __future__ import annotations

from math import prod

from ..passes.draft import Draft
from ..passes.quantization import first_rule, matches
from ..source.wording import few
from ..spec.init import Init
from ..spec.quantization import Match
from .findings import Findings, YamlPath


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
    """A grid that ends at k standard deviations needs rows that have some, far enough from their mean."""
    assert draft.graph is not None
    policy = draft.spec.quantization
    for index, rule in enumerate(policy.rules):
        clip = rule.scheme.clip
        if clip is None or clip.kind != "std":
            continue
        exported = (store for store in draft.graph.stores if store.exported)
        taken = [store for store in exported if first_rule(draft, store) == index]
        path: YamlPath = ("quantization", "rules", index, "scheme", "clip")
        single = [store.name for store in taken if _row_elements(store.shape) == 1]
        if single:
            message = f"a std clip takes {few(single)}: rows of one element, which have no standard deviation"
            hint = "take them by an earlier rule as float16, or with clip: {kind: absmax}"
            findings.error("LS303", path, message, hint)
        level = [store.name for store in taken if store.name not in single and _starts_level(store.init)]
        if level:
            message = f"a std clip takes {few(level)}, which start as a constant other than 0"
            hint = "take them by an earlier rule as float16, or with clip: {kind: absmax}"
            findings.warning("LS304", path, message, hint)


def _row_elements(shape: tuple[int, ...]) -> int:
    """Length of a row: all but the first dimension; scalars and vectors are one row."""
    return prod(shape[1:] if len(shape) > 1 else shape)


def _starts_level(init: Init) -> bool:
    """Whether rows start with a mean that no multiple of their deviation reaches."""
    return init.kind == "identity_mix" or (init.kind == "constant" and init.value != 0)


def check_budget(findings: Findings, draft: Draft) -> None:
    """Over budget is an error only where the whole interval is above the limit."""
    size = draft.size
    assert size is not None
    over = size.predicted_bytes - size.limit_bytes
    figures = (
        f"{size.predicted_bytes:,} bytes predicted ({size.low_bytes:,} to {size.high_bytes:,}, "
        f"of them {size.code_bytes:,} code), limit {size.limit_bytes:,}"
    )
    if size.low_bytes > size.limit_bytes:
        findings.error(
            "LS401",
            ("budget", "bytes"),
            f"over budget: {figures}",
            f"save {over:,} bytes: fewer or narrower blocks, fewer bits, or a larger clip k",
        )
    elif size.high_bytes > size.limit_bytes:
        findings.warning(
            "LS402",
            ("budget", "bytes"),
            f"may be over budget: {figures}",
            f"to be sure, save {size.high_bytes - size.limit_bytes:,} bytes",
        )
