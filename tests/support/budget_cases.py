"""Shipped specs scaled down, with weights as training leaves them, packed into budgets of all kinds."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

from loopspec.compiler.check import plan_resolved
from loopspec.compiler.plan import Plan
from loopspec.runtime.artifact import ArtifactContents, build_artifact
from loopspec.runtime.pipeline.allocation import Allocation, allocate
from loopspec.runtime.pipeline.packing import artifact_limit
from loopspec.runtime.quantize import encode

from .learned_weights import learned_statistics, learned_weights
from .scaled_recipes import scaled

SLACK, LEAST_SLACK = 0.0015, 2000
"""An artifact may lie so far below its limit: this share of it or so many bytes, whichever is more."""


@dataclass(frozen=True, slots=True)
class Case:
    """A spec at a width, and a budget.

    Attributes:
        bits: of the budget, for each weight of kind rate_distortion; code and margin come on top, and 8,000 bytes.
        code: bytes that the budget keeps for code.
        margin: bytes to leave free.
    """

    spec: str
    dim: int
    bits: float
    codec: str = "rans"
    code: int = 0
    margin: int = 0

    def __str__(self) -> str:
        return f"{self.spec} {self.dim} {self.bits:g}b {self.codec}"


CASES = (
    Case("frugendorff-6x2", 32, 3.0),
    Case("cycle-3x9", 64, 2.5, code=80_000),
    Case("micro-crawler", 32, 4.0, margin=1_000),
    Case("frugendorff-6x2", 128, 3.5, code=80_000, margin=24_000),
    Case("frugendorff-6x2", 128, 0.1),
    Case("frugendorff-6x2", 192, 6.4),
    Case("micro-crawler", 96, 1.0, "zstd"),
    Case("micro-crawler", 128, 2.2, "brotli"),
    Case("micro-crawler-run8", 64, 3.0, "zlib"),
    Case("tied-15l", 128, 4.5),
    Case("tied-15l", 64, 0.15),
    Case("cycle-3x9", 128, 3.0, "zstd", code=12_345),
    Case("cycle-3x9-scales", 96, 5.0),
    Case("cycle-3x12-640", 64, 2.0, "lzma"),
    Case("cycle-2x6-256", 128, 3.3, margin=5_000),
    Case("baseline-9l", 96, 1.58),
    Case("control-8f", 64, 2.8),
    Case("control-5f-1cx2", 128, 0.6, "brotli", code=80_000),
    Case("h4-arm-a", 64, 3.1),
    Case("quickstart", 128, 2.0, margin=123),
    Case("quickstart", 64, 20.0),
    Case("control-2f-4cx2", 64, 100.0, "zstd"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the packer did, against the real artifact."""

    case: Case
    allocation: Allocation
    bytes: int
    weights: int

    @property
    def below(self) -> int:
        """Bytes below the limit; negative: over it."""
        return self.allocation.limit - self.bytes

    @property
    def misses(self) -> bool:
        """Whether it is over, or too far below although its grids have not ended."""
        far = self.below > max(SLACK * self.allocation.limit, LEAST_SLACK)
        return self.below < 0 or (far and "every store is at the finest end of its grid" not in self.allocation.text)


def run_case(case: Case) -> Outcome:
    """Packs; raises QuantizeError as the packer does."""
    plan = case_plan(case)
    weights, statistics = learned_weights(plan, 1), learned_statistics(plan, 2)
    others = {
        store.name: encode(store.name, weights[store.name], store.scheme)
        for store in plan.exported_stores
        if store.scheme.kind != "rate_distortion"
    }
    contents = ArtifactContents(plan.spec.plain, others, None, "", {})
    found = allocate(plan, weights, statistics, contents, artifact_limit(plan), lambda _: None)
    whole, _ = build_artifact(found.contents, plan.spec.quantization.codec)
    return Outcome(case, found, len(whole), _weights(plan))


def case_plan(case: Case) -> Plan:
    """The plan of the case, its budget included."""
    plain = copy.deepcopy(_widened(case.spec, case.dim))
    plain["quantization"] |= {"codec": {"kind": case.codec}, "rules": _RULES}
    plain["budget"] |= {"code_bytes": case.code, "margin": case.margin}
    weights = _weights(plan_resolved(plain, case.spec))
    plain["budget"]["bytes"] = round(case.bits * weights / 8) + 8000 + case.code + case.margin
    return plan_resolved(plain, str(case))


_RULES: list[dict[str, Any]] = [
    {"match": {"matrix": True}, "scheme": {"kind": "rate_distortion"}},
    {"scheme": {"kind": "float16"}},
]


@cache
def _widened(spec: str, dim: int) -> dict[str, Any]:
    plain = copy.deepcopy(scaled(spec).spec.plain)
    plain["model"]["dim"] = dim
    plain["model"]["vocab_size"] = 8 * dim
    return plain


def _weights(plan: Plan) -> int:
    return sum(store.elements for store in plan.exported_stores if store.scheme.kind == "rate_distortion")
