"""Fits a policy of fixed grids to a budget by one classic knob: the clip's k, the bits of some rules, or pruning."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log2
from typing import Any, Literal

from ...compiler.check import plan_resolved
from ...compiler.plan import Plan
from ..quantize import QuantizeError
from ..quantize.landing import Window, land

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
    every integer rule. `prune`: the least share pruned, for every integer rule.

    Args:
        size_of: bytes of the artifact under a plan.

    Raises:
        QuantizeError: no rule has the knob, or it does not reach the limit.
    """
    if not list(_turned(plan.spec.plain, knob)):
        raise QuantizeError(f"no rule of {plan.spec.name} has the knob {knob}: {_NEEDED[knob]}")
    known: dict[str, int] = {}

    def remembered(changed: Plan) -> int:
        key = repr(changed.spec.quantization.rules)
        if key not in known:
            known[key] = size_of(changed)
        return known[key]

    return {"k": _fit_k, "bits": _fit_bits, "prune": _fit_prune}[knob](plan, limit, remembered)


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
    return plan_resolved(plain, plan.spec.name)


def _fit_k(plan: Plan, limit: int, size_of: SizeOf) -> Fitted:
    def at(octaves: float) -> Plan:
        least, most = K_LIMITS
        return _changed(plan, "k", lambda clip: {"k": min(max(round(clip["k"] * 2.0**octaves, 6), least), most)})

    window = _window(limit, log2(K_RANGE[0]), log2(K_RANGE[1]))
    landing = land(lambda octaves: size_of(at(octaves)), lambda octaves: float(size_of(at(octaves))), window)
    fitted = at(landing.coarseness)
    found = ", ".join(f"{clip['k']:g}" for clip in _turned(fitted.spec.plain, "k"))
    return Fitted(fitted, f"k of {found}: {landing.size:,} bytes")


def _fit_prune(plan: Plan, limit: int, size_of: SizeOf) -> Fitted:
    def at(share: float) -> Plan:
        return _changed(plan, "prune", lambda _: {"prune": round(share, 6)}) if share > 0 else plan

    window = _window(limit, 0.0, MOST_PRUNED)
    landing = land(lambda share: size_of(at(share)), lambda share: float(size_of(at(share))), window)
    text = f"{landing.coarseness:.2%} pruned: {landing.size:,} bytes"
    return Fitted(at(landing.coarseness), text)


def _fit_bits(plan: Plan, limit: int, size_of: SizeOf) -> Fitted:
    for bits in range(MOST_BITS, LEAST_BITS - 1, -1):
        fitted = _changed(plan, "bits", lambda _, bits=bits: {"bits": bits})  # type: ignore[misc]
        size = size_of(fitted)
        if size <= limit:
            return Fitted(fitted, f"{bits} bits: {size:,} bytes")
    raise QuantizeError(f"{LEAST_BITS} bits still take {size:,} bytes of {limit:,}; raise the budget or prune")


def _window(limit: int, finest: float, coarsest: float) -> Window:
    return Window(limit - max(LEAST_SLACK, round(SLACK * limit)), limit, finest, coarsest)
