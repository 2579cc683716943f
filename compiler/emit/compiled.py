"""Compiles an emitted module mode by mode, so that no number of modes meets a limit on recompiling one function."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..plan import Plan


def compile_modes(module: nn.Module, plan: Plan, **options: Any) -> Callable[..., Tensor]:  # noqa: ANN401 - torch's own
    """The module's forward with each mode compiled as one whole graph; `options` go to torch.compile.

    torch keeps compiled graphs by code object, and gives up after eight for one of them: every mode gets its own.
    """
    entries = {mode: torch.compile(_entry(module, mode), fullgraph=True, **options) for mode in plan.modes}

    def forward(tokens: Tensor, targets: Tensor | None = None, mode: str = "full") -> Tensor:
        return entries[mode](tokens, targets)

    return forward


def _entry(module: nn.Module, mode: str) -> Callable[[Tensor, Tensor | None], Tensor]:
    def entry(tokens: Tensor, targets: Tensor | None) -> Tensor:
        result: Tensor = module(tokens, targets, mode=mode)
        return result

    code = entry.__code__.replace(co_name=f"mode_{mode}")
    return types.FunctionType(code, entry.__globals__, f"mode_{mode}", None, entry.__closure__)
