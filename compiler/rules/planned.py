"""Rules that need the plan: quantization without effect (LS3xx), the budget (LS4xx), stores never used (LS50x)."""

from __future__ import annotations

from math import prod

from ..passes.draft import Draft
from ..passes.quantization import first_rule, matches
from ..spec.architecture import Init
from .findings import Findings, YamlPath


def check_quantization(findings: Findings, draft: Draft) -> None:
    """Every rule takes some store, and every store has a rule."""
    assert draft.graph is not None
    policy = draft.spec.quantization
    taken = {first_rule(policy, store) for store in draft.graph.stores}
    for index, rule in enumerate(policy.rules):
        if index in taken:
            continue
        shadowed = any(matches(rule.match, store) for store in draft.graph.stores)
        reason = "earlier rules take every store that it matches" if shadowed else "no store matches"
        findings.error(
            "LS301",
            ("quantization", "rules", index),
            f"this rule has no effect: {reason}",
            "remove it, or change its conditions or its place",
        )
    missing = [store.name for store in draft.graph.stores if store.name not in draft.schemes]
    if missing:
        findings.error(
            "LS302",
            ("quantization", "rules"),
            f"no rule takes {_listed(missing)}",
            "end the list with a rule without conditions, such as {scheme: {kind: float16}}",
            key=True,
        )


def check_deviations(findings: Findings, draft: Draft) -> None:
    """A grid that ends at k standard deviations needs rows that have some, far enough from their mean."""
    assert draft.graph is not None
    policy = draft.spec.quantization
    for index, rule in enumerate(policy.rules):
        clip = rule.scheme.clip
        if clip is None or clip.kind != "std":
            continue
        taken = [store for store in draft.graph.stores if first_rule(policy, store) == index]
        path: YamlPath = ("quantization", "rules", index, "scheme", "clip")
        single = [store.name for store in taken if _row_elements(store.shape) == 1]
        if single:
            message = f"a std clip takes {_listed(single)}: rows of one element, which have no standard deviation"
            hint = "take them by an earlier rule as float16, or with clip: {kind: absmax}"
            findings.error("LS303", path, message, hint)
        level = [store.name for store in taken if store.name not in single and _starts_level(store.init)]
        if level:
            message = f"a std clip takes {_listed(level)}, which start as a constant other than 0"
            hint = "take them by an earlier rule as float16, or with clip: {kind: absmax}"
            findings.warning("LS304", path, message, hint)


def _row_elements(shape: tuple[int, ...]) -> int:
    """Length of a row: all but the first dimension; scalars and vectors are one row."""
    return prod(shape[1:] if len(shape) > 1 else shape)


def _starts_level(init: Init) -> bool:
    """Whether rows start with a mean that no multiple of their deviation reaches."""
    return init.kind == "identity_mix" or (init.kind == "constant" and init.value != 0)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


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


def check_liveness(findings: Findings, draft: Draft) -> None:
    """Every store is read by some site in some mode that training runs."""
    assert draft.graph is not None
    trained = {mode for phase in draft.spec.cadence for mode in phase.pattern}
    reported: set[YamlPath] = set()
    for store in draft.graph.stores:
        use = draft.uses[store.name]
        if set(use.modes) & trained:
            continue
        if not use.modes and store.origin[:2] == ("model", "value_embedding"):
            continue  # LS501 says it
        place = _place(store.name, store.origin)
        if place in reported:
            continue
        reported.add(place)
        owner = ".".join(store.name.split(".")[:3]) if store.name.startswith("blocks.") else store.name
        if not use.modes:
            findings.error(
                "LS504", place, f"{owner} is stored and never runs", "let a stage's path run it, or store less"
            )
        else:
            modes = ", ".join(use.modes)
            findings.error(
                "LS505",
                place,
                f"{owner} runs in mode {modes} only, training runs {', '.join(sorted(trained))} only: it never learns",
                f"put {use.modes[0]} into the cadence, or drop what only {use.modes[0]} uses",
            )


def _place(name: str, origin: YamlPath) -> YamlPath:
    """One report for each block (at the group's count) or declaration."""
    return ("blocks", name.split(".")[1], "count") if name.startswith("blocks.") else origin
