"""A trained model under a policy with one knob turned until it fits a budget: by the real artifact."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...compiler.plan import Plan
from ..artifact import build_artifact
from ..data.token_source import TokenData
from .calibration import Calibrator, calibrated_stores
from .console import Console
from .knobs import Knob, check_solvable, fit_knob, setting
from .packing import contents_of
from .replanning import repacked_plan


def solved_plan(
    plan: Plan,
    knob: Knob,
    budget: int,
    weights: Mapping[str, Tensor],
    states: Mapping[str, Tensor],
    data: TokenData,
    console: Console,
) -> Plan:
    """The plan with the knob turned until artifact and code take at most `budget` bytes, which is its budget then.

    The sizes that are tried are those of the files that `pack` would write.

    Raises:
        QuantizeError: see `check_solvable`; or the policy does not reach the budget by this knob.
    """
    if plan.spec.budget.bytes != budget:
        plan = repacked_plan(plan, budget, None)
    check_solvable(plan, knob)
    statistics = {}
    if calibrated_stores(plan):
        calibrator = Calibrator(plan, weights, states, data, drawn=console.counter("sampled tokens"))
        statistics = calibrator.one_shot(calibrated_stores(plan), console.counter("calibrated tokens"))

    def size_of(changed: Plan) -> int:
        contents = contents_of(changed, weights, states, data, statistics)
        size = build_artifact(contents, changed.spec.quantization.codec)[1].bytes
        console.note(f"{setting(changed, knob)}: {size:,} bytes")
        return size

    fitted = fit_knob(plan, knob, budget - plan.spec.budget.code_bytes, size_of)
    console.note(f"solved: {fitted.text}")
    return fitted.plan
