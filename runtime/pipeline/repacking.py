"""A trained model under another budget or another policy than it was trained with."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...compiler.check import load_plan, plan_resolved
from ...compiler.plan import Plan
from ...compiler.spec.quantization import Quantization
from ..artifact import build_artifact
from ..data.token_source import TokenData
from ..quantize import QuantizeError
from .calibration import Calibrator, calibrated_stores
from .console import Console
from .knobs import Knob, fit_knob
from .packing import contents_of

NO_LIMIT = 10**12
"""The largest budget that a spec may have: under it no policy is too large, whose knob is to be turned yet."""


HEADER_CHANGE = 32
"""Bytes by which another budget in the header may change its size."""


def repacked_plan(plan: Plan, budget: int | None, like: str | None) -> Plan:
    """The plan with `budget.bytes` replaced, and the section `quantization` by that of the spec `like`.

    Raises:
        SpecError: the result has problems: rules of another model that take nothing, a budget that cannot be met.
    """
    if budget is None and like is None:
        return plan
    plain = copy.deepcopy(plan.spec.plain)
    if budget is not None:
        plain["budget"]["bytes"] = budget
    if like is not None:
        policy = load_plan(like).spec
        plain["quantization"] = copy.deepcopy(policy.plain["quantization"])
        _expect_later_grids(plain, policy.quantization)
    return plan_resolved(plain, f"{plan.spec.name}, repacked")


def _expect_later_grids(plain: dict[str, Any], policy: Quantization) -> None:
    """A run that trained on rounded weights is over: that the new grids were not known then is no problem any more."""
    unknown = any(rule.scheme.coded and not rule.scheme.known_in_training for rule in policy.rules)
    if plain["train"]["quantization_aware"] is not None and unknown:
        plain["expect"] = sorted({*plain.get("expect", []), "LS306"})


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

    Raises:
        QuantizeError: the policy fills the budget by itself, has no such knob, or does not reach the budget by it.
    """
    if any(store.scheme.kind == "rate_distortion" for store in plan.exported_stores):
        raise QuantizeError(f"{plan.spec.name} has stores of kind rate_distortion, which fill the budget: no --solve")
    statistics = {}
    if calibrated_stores(plan):
        if plan.spec.quantization.calibration.order == "sequential":
            raise QuantizeError(
                f"{plan.spec.name} calibrates in sequence, anew for every setting of a knob; --solve needs "
                "quantization.calibration.order: one_shot"
            )
        calibrator = Calibrator(plan, weights, states, data)
        statistics = calibrator.one_shot(calibrated_stores(plan), console.counter("calibrated tokens"))

    def size_of(changed: Plan) -> int:
        contents = contents_of(changed, weights, states, data, statistics)
        size = build_artifact(contents, changed.spec.quantization.codec)[1].bytes
        console.note(f"{changed.spec.name}: {size:,} bytes")
        return size

    fitted = fit_knob(plan, knob, budget - plan.spec.budget.code_bytes - HEADER_CHANGE, size_of)
    console.note(f"solved: {fitted.text}")
    return repacked_plan(fitted.plan, budget, None)
