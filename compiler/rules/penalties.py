"""LS534: a penalty that acts on nothing."""

from __future__ import annotations

from ..passes.draft import Draft
from ..passes.penalties import shrunk_stores
from .findings import Findings, YamlPath

KEY: YamlPath = ("train", "penalties", "nuclear_norm")


def check_penalties(findings: Findings, draft: Draft) -> None:
    """The nuclear-norm penalty has a matrix to act on, and a step that is due."""
    penalty, steps = draft.spec.train.penalties.nuclear_norm, draft.spec.train.known_steps
    if penalty is None:
        return
    assert draft.graph is not None
    if not shrunk_stores(penalty, draft.graph.stores, draft.groups):
        findings.error(
            "LS534",
            (*KEY, "match"),
            "the nuclear-norm penalty has no effect: no trained matrix matches",
            "change its conditions, or set nuclear_norm: null",
        )
    if steps is not None and penalty.every > steps:
        findings.error(
            "LS534",
            (*KEY, "every"),
            f"the nuclear-norm penalty has no effect: it acts every {penalty.every} steps, training has {steps}",
            f"use at most {steps}, or set nuclear_norm: null",
        )
