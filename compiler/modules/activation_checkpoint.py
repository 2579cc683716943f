"""Activation checkpointing (arXiv 1604.06174): memory for time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(function: Callable[..., Any], *inputs: Any) -> Any:  # noqa: ANN401 - tensors or tuples
    """`function(*inputs)`, of which the backward pass keeps the inputs alone and computes the rest again.

    What it reads besides, such as parameters, must be the same then as now: a step that trains on rounded weights must
    leave them in place until its backward pass is over. Without gradients it is a plain call.
    """
    if not torch.is_grad_enabled():
        return function(*inputs)
    return checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
