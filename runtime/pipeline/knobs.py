"""Fits a policy of fixed grids to a budget by one classic knob: the clip's k, the bits of some rules, or pruning."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log2
from typing import Any, Literal

from ...compiler.plan import Plan
from ..quantize import QuantizeError
from ..quantize.landing import Window, land
from .replanning import replanned

Knob = Literal["k", "bits", "prune"]
SizeOf = Callable[[Plan], int]
Plain = dict[str, Any]

LEAST_SLACK, SLACK = 1000, 1e-3
K_RANGE = (1 / 3, 16.0)
K_LIMITS = (0.5, 100.0)
"""Of the schema."""
MOST_BITS, LEAST_BITS = 8, 2
MOST_PRUNED = 0.98


@dataclass(frozen=True, slots=True)
class Fitted:
    """A plan that fits, and what was done for it, for people."""

    plan: Plan
    text: str


def fit_knob(plan: Plan, knob: Knob, limit: int, size_of: SizeOf) -> Fitted:
    """The plan with one knob turned so that its artifact takes at most `limit` bytes.

    `k`: every clip at standard deviations, all by one factor. `bits`: the most bits, from 8 down to 2, that fit, for
    every integer rule, within the row_bits of each. `prune`: the least share pruned, for every integer rule that does
    not prune more by itself.

    Args:
        size_of: bytes of the artifact under a plan.

    Raises:
        QuantizeError: no rule has the knob, or it does not reach the limit.
    """
    require_knob(plan, knob)
    known: dict[str, int] = {}

    def remembered(changed: Plan) -> int:
        key = repr(changed.spec.quantization.rules)
        if key not in known:
            known[key] = size_of(changed)
        return known[key]

    return {"k": _fit_k, "bits": _fit_bits, "prune": _fit_prune}[knob](plan, limit, remembered)


def check_solvable(plan: Plan, knob: Knob) -> None:
    """Refuses what `solved_plan` cannot do, before any data are read.

    Raises:
        QuantizeError: the policy fills the budget by itself, calibrates in sequence, or has no such knob.
    """
    if any(store.scheme.kind == "rate_distortion" for store in plan.exported_stores):
        raise QuantizeError(
            f"{plan.spec.name} has stores of kind rate_distortion, which fill the budget: no --solve; "
            "give a policy of fixed grids with --like, or leave --solve out"
        )
    calibrated = any(store.scheme.calibrated for store in plan.exported_stores)
    if calibrated and plan.spec.quantization.calibration.order == "sequential":
        raise QuantizeError(
            f"{plan.spec.name} calibrates in sequence, anew for every setting of a knob; --solve needs "
            "quantization.calibration.order: one_shot"
        )
    require_knob(plan, knob)
    budget = plan.spec.budget
    if budget.bytes <= budget.code_bytes:
        raise QuantizeError(
            f"a budget of {budget.bytes:,} bytes leaves nothing beside {budget.code_bytes:,} bytes of code; "
            "give a larger --budget"
        )


def require_knob(plan: Plan, knob: Knob) -> None:
    """Raises QuantizeError where no rule has the knob, or no setting of it suits all that have."""
    if not list(_turned(plan.spec.plain, knob)):
        raise QuantizeError(f"no rule of {plan.spec.name} has the knob {knob}: {_NEEDED[knob]}")
    if knob == "bits" and not _widths(plan):
        raise QuantizeError(
            f"no number of bits lies within the row_bits of every rule of {plan.spec.name}; solve for k"
        )


def setting(plan: Plan, knob: Knob) -> str:
    """What the knob is turned to, for people."""
    values = list(dict.fromkeys(_setting(part, knob) for part in _turned(plan.spec.plain, knob)))
    return {"k": "k of {}", "bits": "{} bits", "prune": "{} pruned"}[knob].format(", ".join(values))


def _setting(part: Plain, knob: Knob) -> str:
    return f"{part.get('prune', 0):.2%}" if knob == "prune" else f"{part[knob]:g}"


_NEEDED = {
    "k": "it turns clips of kind std and sensitivity_std",
    "bits": "it turns schemes of kind integer",
    "prune": "it turns schemes of kind integer",
}


def _turned(plain: Plain, knob: Knob) -> Iterator[Plain]:
    """The mappings that the knob changes."""
    for rule in plain["quantization"]["rules"]:
        scheme = rule["scheme"]
        if scheme["kind"] != "integer":
            continue
        if knob != "k":
            yield scheme
        elif "k" in scheme["clip"]:
            yield scheme["clip"]


def _changed(plan: Plan, knob: Knob, change: Callable[[Plain], Plain]) -> Plan:
    plain = copy.deepcopy(plan.spec.plain)
    for part in _turned(plain, knob):
        part.update(change(part))
    return replanned(plain, plan.spec.name)


def _fit_k(plan: Plan, limit: int, size_of: SizeOf) -> Fitted:
    def at(octaves: float) -> Plan:
        least, most = K_LIMITS
        return _changed(plan, "k", lambda clip: {"k": min(max(round(clip["k"] * 2.0**octaves, 6), least), most)})

    window = _window(limit, log2(K_RANGE[0]), log2(K_RANGE[1]))
    landing = land(lambda octaves: size_of(at(octaves)), lambda octaves: float(size_of(at(octaves))), window)
    fitted = at(landing.coarseness)
    return Fitted(fitted, f"{setting(fitted, 'k')}: {landing.size:,} bytes")


def _fit_prune(plan: Plan, limit: int, size_of: SizeOf) -> Fitted:
    own = min(_pruned(scheme) for scheme in _turned(plan.spec.plain, "prune"))

    def at(share: float) -> Plan:
        if share <= own:
            return plan
        return _changed(plan, "prune", lambda scheme: {"prune": max(round(share, 6), _pruned(scheme))})

    if own >= MOST_PRUNED:
        raise QuantizeError(f"every integer rule of {plan.spec.name} prunes {own:.2%} or more; solve for bits or k")
    window = _window(limit, own, MOST_PRUNED)
    landing = land(lambda share: size_of(at(share)), lambda share: float(size_of(at(share))), window)
    fitted = at(landing.coarseness)
    return Fitted(fitted, f"{setting(fitted, 'prune')}: {landing.size:,} bytes")


def _pruned(scheme: Plain) -> float:
    """The share that the rule prunes by itself."""
    return float(scheme.get("prune", 0.0))


def _fit_bits(plan: Plan, limit: int, size_of: SizeOf) -> Fitted:
    widths = _widths(plan)
    for bits in widths:
        fitted = _changed(plan, "bits", lambda _, bits=bits: {"bits": bits})  # type: ignore[misc]
        size = size_of(fitted)
        if size <= limit:
            return Fitted(fitted, f"{bits} bits: {size:,} bytes")
    raise QuantizeError(f"{widths[-1]} bits still take {size:,} bytes of {limit:,}; raise the budget or prune")


def _widths(plan: Plan) -> list[int]:
    """Bits that all integer rules may have, most first; those with row_bits have theirs within these."""
    ranges = [scheme["row_bits"] for scheme in _turned(plan.spec.plain, "bits") if scheme.get("row_bits") is not None]
    widths = range(MOST_BITS, LEAST_BITS - 1, -1)
    return [bits for bits in widths if all(each["low"] <= bits <= each["high"] for each in ranges)]


def _window(limit: int, finest: float, coarsest: float) -> Window:
    return Window(limit - max(LEAST_SLACK, round(SLACK * limit)), limit, finest, coarsest)
