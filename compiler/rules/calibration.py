"""LS305, LS307 to LS309, LS403: schemes that calibration cannot serve, and settings of schemes without effect."""

from __future__ import annotations

from ..graph.model import Store
from ..passes.draft import Draft
from ..passes.quantization import first_rule, is_matrix
from ..source.wording import few
from ..spec.quantization import Calibration
from .findings import Findings


def check_calibration(findings: Findings, draft: Draft) -> None:
    """Calibrated schemes take matrices alone; calibration and margin are not stated in vain."""
    quantization = draft.spec.quantization
    schemes = [rule.scheme for rule in quantization.rules]
    for index, scheme in enumerate(schemes):
        if scheme.calibrated:
            _check_multiplied(findings, draft, index)
    if quantization.calibration != Calibration() and not any(scheme.calibrated for scheme in schemes):
        message = "no scheme is calibrated, so this has no effect"
        hint = "remove it, or give stores kind rate_distortion, gptq, row_bits or a sensitivity_std clip"
        findings.error("LS307", ("quantization", "calibration"), message, hint, key=True)
    if draft.spec.budget.margin and not any(scheme.kind == "rate_distortion" for scheme in schemes):
        message = "no scheme fits itself to the budget, so a margin has no effect"
        hint = "remove it, or give stores the scheme {kind: rate_distortion}"
        findings.error("LS403", ("budget", "margin"), message, hint, key=True)


def _check_multiplied(findings: Findings, draft: Draft, index: int) -> None:
    others = [store.name for store in _taken(draft, index) if not is_matrix(store)]
    if others:
        findings.error(
            "LS305",
            ("quantization", "rules", index, "scheme"),
            f"calibration has nothing to measure of {few(others)}: no matrix that inputs are multiplied by",
            "give the rule match: {matrix: true}, and the rest another scheme, such as {kind: float16}",
        )


def check_grids(findings: Findings, draft: Draft) -> None:
    """Groups of columns are shorter than rows, and row bits lie on either side of the scheme's."""
    for index, rule in enumerate(draft.spec.quantization.rules):
        scheme, path = rule.scheme, ("quantization", "rules", index, "scheme")
        if scheme.step.per == "group":
            columns = scheme.step.group or 0
            short = [store.name for store in _taken(draft, index) if store.elements // _rows(store) <= columns]
            if short:
                message = f"rows of {few(short)} have no more than {columns} columns: a group is a whole row"
                findings.error("LS308", (*path, "step"), message, "give smaller groups, or {kind: row}")
        bits = scheme.row_bits
        if bits is not None and not (bits.low <= (scheme.bits or 0) <= bits.high and bits.low < bits.high):
            message = f"row_bits from {bits.low} to {bits.high} do not lie around the {scheme.bits} bits of the rest"
            findings.error("LS309", (*path, "row_bits"), message, "let low <= bits <= high, and low < high")


def _taken(draft: Draft, index: int) -> list[Store]:
    assert draft.graph is not None
    return [store for store in draft.graph.stores if store.exported and first_rule(draft, store) == index]


def _rows(store: Store) -> int:
    return store.shape[0] if len(store.shape) > 1 else 1
