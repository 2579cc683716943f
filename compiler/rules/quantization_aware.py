"""LS528, LS529, LS306: quantization-aware training that never comes, or has nothing or no known grid to round to."""

from __future__ import annotations

from ..passes.draft import Draft
from ..spec.averaging import quantization_aware_steps
from ..spec.quantization import Scheme
from .findings import Findings

KEY = ("train", "quantization_aware")


def check_quantization_aware(findings: Findings, draft: Draft) -> None:
    """Some step is reached at which it starts, and some store has an integer scheme."""
    train = draft.spec.train
    if train.quantization_aware is None:
        return
    if quantization_aware_steps(train) == 0:
        findings.error(
            "LS528",
            (*KEY, "start"),
            f"this start is not reached in {train.known_steps} steps: no step runs on rounded weights",
            "start earlier, or set quantization_aware: null",
            key=True,
        )
    assert draft.graph is not None
    exported = [draft.schemes.get(store.name) for store in draft.graph.stores if store.exported]
    coded = [scheme for scheme in exported if scheme is not None and scheme.coded]
    if not coded:
        findings.error(
            "LS529",
            KEY,
            "no store has a scheme of whole numbers: there is nothing to round",
            "give stores an integer scheme in quantization.rules, or set quantization_aware: null",
            key=True,
        )
    for index, rule in enumerate(draft.spec.quantization.rules):
        if rule.scheme.coded and not rule.scheme.known_in_training:
            findings.error(
                "LS306",
                ("quantization", "rules", index, "scheme"),
                f"quantization_aware training cannot round to this grid: {_chosen_by(rule.scheme)} chosen after it",
                "give an integer, ternary or binary scheme without it, or set train.quantization_aware: null",
            )


def _chosen_by(scheme: Scheme) -> str:
    if scheme.kind == "rate_distortion":
        return "its steps are"
    if scheme.row_bits is not None:
        return "its row_bits are"
    if scheme.error_rank:
        return "its low-rank term is"
    return "its pruned weights are" if scheme.prune else "its clip is"
