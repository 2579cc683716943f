"""What a run has done so far, counted: the proof that what the spec says is what ran."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from ...compiler.plan import Plan
from .order import StepOrder


@dataclass(slots=True)
class Counts:
    """Sums over all steps of a run.

    Attributes:
        stages: steps by stage: main, replay, distill.
        modes: steps by mode.
        quantization_aware: steps on rounded weights.
        shrunk: stores whose nuclear norm was lowered, over all steps.
        flops: forward and backward, as the plan counts them; a distillation's teacher included.
    """

    stages: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    quantization_aware: int = 0
    shrunk: int = 0
    tokens: int = 0
    flops: int = 0

    def add(self, plan: Plan, order: StepOrder, *, rounded: bool, shrunk: int) -> None:
        """Count a step that was taken."""
        self.stages[order.stage] += 1
        self.modes[order.mode] += 1
        self.quantization_aware += rounded
        self.shrunk += shrunk
        tokens = order.shape.batch_tokens
        forward, backward = plan.modes[order.mode].cost.flops_per_token(order.shape.sequence_length)
        forwards = 2 if order.stage == "distill" else 1
        self.tokens += tokens
        self.flops += tokens * (forwards * forward + backward)

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"stages": dict(self.stages), "modes": dict(self.modes)}

    @classmethod
    def restored(cls, plain: dict[str, Any]) -> Self:
        """From what `plain` gave."""
        return cls(**(plain | {"stages": Counter(plain["stages"]), "modes": Counter(plain["modes"])}))
