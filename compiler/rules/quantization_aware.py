"""LS528 and LS529: quantization-aware training that never comes, or that has nothing to round."""

from __future__ import annotations

from ..passes.draft import Draft
from ..spec.averaging import quantization_aware_steps
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
    if not any(scheme is not None and scheme.kind == "integer" for scheme in exported):
        findings.error(
            "LS529",
            KEY,
            "no store has an integer scheme: there is nothing to round",
            "give stores an integer scheme in quantization.rules, or set quantization_aware: null",
            key=True,
        )
