"""Activation checkpointing that saves nothing."""

from __future__ import annotations

from ..passes.cost import kept_features
from ..passes.draft import Draft
from ..spec.phase_steps import trained_modes
from .findings import Findings


def check_checkpointing(findings: Findings, draft: Draft) -> None:
    """A checkpointed stage keeps less for the backward pass in some mode that training runs."""
    modes = trained_modes(draft.spec)
    for index, stage in enumerate(draft.spec.architecture.stages):
        if not stage.checkpoint_activations:
            continue
        if not any(kept_features(draft, mode) < kept_features(draft, mode, without=stage.name) for mode in modes):
            findings.error(
                "LS540",
                ("graph", index, "checkpoint_activations"),
                "no training step keeps less for its backward pass by this",
                "remove it, or train a mode in which attention or MLP of the stage run",
                key=True,
            )
