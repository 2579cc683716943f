"""One variant of a spec: what it needs of the budget, and what a model of it might be worth."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from ...compiler.passes.size import estimate_plan
from ...compiler.plan import Plan

IRREDUCIBLE, SIZE_FACTOR, SIZE_POWER, DATA_FACTOR, DATA_POWER = 1.69, 406.4, 0.34, 410.7, 0.28
"""Loss = 1.69 + 406.4 / N^0.34 + 410.7 / D^0.28 (Hoffmann et al. 2022, arXiv 2203.15556, approach 3)."""
TOKENS_PER_PARAMETER = 20


@dataclass(frozen=True, slots=True)
class Constraint:
    """What must fit.

    Attributes:
        bits_per_weight: the least that a rate-distortion store is to get; it would take any.
        sure: whether the interval's high end must fit, not what is predicted.
    """

    bits_per_weight: float
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """A variant that is no valid spec: code and message of its first error."""

    place: tuple[int, ...]
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A valid variant.

    Attributes:
        place: index of its value on each axis.
        effective_parameters: counted once for each site that reads them.
        needed_bytes: of artifact and code, rate-distortion stores at the least bits that the constraint allows.
        target_bytes: its budget less its margin.
        bits_per_weight: what all of the budget gives them; None where there are none.
        flops_per_token: of a training step, forward and backward, in mode full.
    """

    place: tuple[int, ...]
    parameters: int
    effective_parameters: int
    needed_bytes: int
    target_bytes: int
    low_bytes: int
    high_bytes: int
    bits_per_weight: float | None
    flops_per_token: int

    @property
    def excess_bytes(self) -> int:
        """How far it is over its budget; negative or 0 where it fits."""
        return self.needed_bytes - self.target_bytes

    @property
    def fits(self) -> bool:
        """Whether its budget holds it."""
        return self.excess_bytes <= 0

    @property
    def capacity(self) -> float:
        """Parameters for the proxy: looping is worth something, but not as much as parameters of its own."""
        return sqrt(self.parameters * self.effective_parameters)


def measure(plan: Plan, place: tuple[int, ...], constraint: Constraint) -> Candidate:
    """The candidate of a plan."""
    budget, estimate = plan.spec.budget, estimate_plan(plan)
    target = budget.bytes - budget.margin
    fixed = estimate.fixed.high if constraint.sure else estimate.fixed.predicted
    needed = round(fixed + constraint.bits_per_weight * estimate.weights / 8)
    cost = plan.modes["full"].cost
    return Candidate(
        place=place,
        parameters=plan.exported_parameters,
        effective_parameters=plan.effective_parameters,
        needed_bytes=needed,
        target_bytes=target,
        low_bytes=plan.size.low_bytes,
        high_bytes=plan.size.high_bytes,
        bits_per_weight=estimate.bits_per_weight(target),
        flops_per_token=cost.forward_flops_per_token + cost.backward_flops_per_token,
    )


def training_flops(base: Candidate, tokens: float | None) -> float:
    """What the base spec's training costs on so many tokens (default: 20 a parameter of its capacity)."""
    return base.flops_per_token * (TOKENS_PER_PARAMETER * base.capacity if tokens is None else tokens)


def loss_proxy(candidate: Candidate, flops: float) -> float:
    """Loss by the scaling law after `flops` of training. Good for an order of candidates, not for their losses."""
    tokens = flops / candidate.flops_per_token
    size: float = SIZE_FACTOR * candidate.capacity**-SIZE_POWER
    data: float = DATA_FACTOR * tokens**-DATA_POWER
    return IRREDUCIBLE + size + data
