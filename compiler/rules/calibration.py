"""LS305, LS307: schemes that calibration cannot serve, and a calibration without effect."""

from __future__ import annotations

from ..passes.draft import Draft
from ..passes.quantization import is_matrix
from ..source.wording import few
from ..spec.quantization import Calibration
from .findings import Findings
from .grids import taken_stores


def check_calibration(findings: Findings, draft: Draft) -> None:
    """Calibrated schemes take matrices alone; calibration is not stated in vain."""
    quantization = draft.spec.quantization
    schemes = [rule.scheme for rule in quantization.rules]
    for index, scheme in enumerate(schemes):
        if scheme.calibrated:
            _check_multiplied(findings, draft, index)
    if quantization.calibration != Calibration() and not any(scheme.calibrated for scheme in schemes):
        message = "no scheme is calibrated, so this has no effect"
        hint = "remove it, or give stores kind rate_distortion, gptq, row_bits or a sensitivity_std clip"
        findings.error("LS307", ("quantization", "calibration"), message, hint, key=True)


def _check_multiplied(findings: Findings, draft: Draft, index: int) -> None:
    others = [store.name for store in taken_stores(draft, index) if not is_matrix(store)]
    if others:
        findings.error(
            "LS305",
            ("quantization", "rules", index, "scheme"),
            f"calibration has nothing to measure of {few(others)}: no matrix that inputs are multiplied by",
            "give the rule match: {matrix: true}, and the rest another scheme, such as {kind: float16}",
        )
