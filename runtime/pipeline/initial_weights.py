"""A run that starts from the weights of another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from ...compiler.plan import Plan
from .run_options import Merge
from .run_plan import read_run_plan


def start_from(plan: Plan, module: nn.Module, run: Path, merge: Merge, note: Callable[[str], None]) -> None:
    """Copies the weights of the run in a folder into the module of another plan; blocks that are one here are merged.

    Raises:
        RunFolderError, CheckpointError, TrainingError: the folder holds no run whose weights fit.
    """
    from .training import checkpoint_weights, load_checkpoint  # they start runs, and import this
    from .warm_start import warm_start

    source = read_run_plan(run)
    weights = checkpoint_weights(source, load_checkpoint(source, run))
    influence = None
    if merge == "influence":
        from ..analyse.influence import run_influence

        influence = run_influence(run, note)
    merged, notes = warm_start(plan, source, weights, merge, influence)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in merged:
                parameter.copy_(merged[name])
    note(f"warm start from {run}: {len(merged)} of {len(plan.stores)} stores")
    for text in notes:
        note(f"warm start: {text}")
