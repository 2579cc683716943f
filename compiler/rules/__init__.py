"""Semantic rules, one file a group. Two lists: rules on the document, and rules that need the plan."""

from __future__ import annotations

from collections.abc import Callable

from ..passes.draft import Draft
from .averages import check_averages
from .blocks import check_blocks
from .budget import check_budget, check_margin
from .cadence import check_modes
from .calibration import check_calibration
from .checkpointing import check_checkpointing
from .clocks import check_clocks
from .data import check_data
from .documents import check_documents
from .findings import Findings
from .finish import check_decays, check_finish
from .grids import check_grids
from .liveness import check_inert, check_liveness
from .loops import check_trained_loops
from .modes import check_declared_modes
from .multi_token import check_multi_token
from .optimizer import check_assignment, check_groups, check_muon, check_optimizers, check_trained_modes
from .parts import check_shared_parts
from .penalties import check_penalties
from .phases import check_phases
from .planned import check_deviations, check_quantization
from .quantization_aware import check_quantization_aware
from .stages import check_stages
from .training import check_training
from .value_embedding import check_value_embedding

DOCUMENT_RULES: tuple[Callable[[Findings], None], ...] = (
    check_blocks,
    check_stages,
    check_value_embedding,
    check_multi_token,
    check_documents,
    check_declared_modes,
    check_modes,
    check_training,
    check_optimizers,
    check_clocks,
    check_data,
)
PLAN_RULES: tuple[Callable[[Findings, Draft], None], ...] = (
    check_quantization,
    check_deviations,
    check_calibration,
    check_grids,
    check_margin,
    check_budget,
    check_phases,
    check_liveness,
    check_trained_loops,
    check_checkpointing,
    check_shared_parts,
    check_assignment,
    check_groups,
    check_muon,
    check_trained_modes,
    check_inert,
    check_penalties,
    check_averages,
    check_quantization_aware,
    check_finish,
    check_decays,
)

__all__ = ["DOCUMENT_RULES", "PLAN_RULES", "Findings"]
