"""Semantic rules, one file a group. Two lists: rules on the document, and rules that need the plan."""

from __future__ import annotations

from collections.abc import Callable

from ..passes.draft import Draft
from .blocks import check_blocks
from .cadence import check_modes
from .data import check_data
from .findings import Findings
from .planned import check_budget, check_deviations, check_liveness, check_quantization
from .stages import check_stages, check_value_embedding
from .training import check_training

DOCUMENT_RULES: tuple[Callable[[Findings], None], ...] = (
    check_blocks,
    check_stages,
    check_value_embedding,
    check_modes,
    check_training,
    check_data,
)
PLAN_RULES: tuple[Callable[[Findings, Draft], None], ...] = (
    check_quantization,
    check_deviations,
    check_budget,
    check_liveness,
)

__all__ = ["DOCUMENT_RULES", "PLAN_RULES", "Findings"]
