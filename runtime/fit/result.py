"""A finished search: the frontier with its scores, as text and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from ...compiler.tables import table
from .axes import Axis
from .candidate import Candidate, Constraint, loss_proxy
from .search import Frontier

Score = Literal["parameters", "loss"]


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a search found, and by what it is ordered.

    Attributes:
        flops: of training, for the loss proxy.
    """

    spec: str
    axes: tuple[Axis, ...]
    frontier: Frontier
    constraint: Constraint
    target_bytes: int
    by: Score
    flops: float

    @property
    def edge(self) -> list[Candidate]:
        """The frontier, best first."""
        return sorted(self.frontier.edge, key=self._order)

    def proxy(self, candidate: Candidate) -> float:
        """The candidate's loss proxy."""
        return loss_proxy(candidate, self.flops)

    def sets(self, candidate: Candidate) -> list[str]:
        """What `--set` takes to make the candidate of the spec."""
        return [f"{axis.key}={axis.text(index)}" for axis, index in zip(self.axes, candidate.place, strict=True)]

    def _order(self, candidate: Candidate) -> tuple[float, float]:
        """Best first; of equals the one that needs least."""
        score = -candidate.parameters if self.by == "parameters" else self.proxy(candidate)
        return (score, candidate.needed_bytes)


def fit_text(result: FitResult, rows: int) -> str:
    """The best `rows` of the frontier as a table, and how to make the first."""
    lines = [_heading(result), *_notes(result)]
    if not result.edge:
        return "\n".join([*lines, "nothing fits; vary over smaller values", ""])
    header = (*(axis.key.rpartition(".")[2] for axis in result.axes), *_columns(result))
    lines += ["", *table(header, [_row(result, candidate) for candidate in result.edge[:rows]])]
    if len(result.edge) > rows:
        lines.append(f"  ... and {len(result.edge) - rows} more; --rows shows them")
    changes = " ".join(f"--set {change}" for change in result.sets(result.edge[0]))
    return "\n".join([*lines, "", f"best by {result.by}: loopspec plan {result.spec} {changes}", ""])


def fit_json(result: FitResult) -> dict[str, Any]:
    """The result as JSON-able data; `frontier` is best first."""
    return {
        "spec": result.spec,
        "by": result.by,
        "target_bytes": result.target_bytes,
        "least_bits_per_weight": result.constraint.bits_per_weight,
        "keys": [axis.key for axis in result.axes],
        "combinations": _combinations(result),
        "tried": len(result.frontier.tried),
        "invalid": result.frontier.invalid,
        "exhaustive": result.frontier.exhaustive,
        "training_flops": result.flops,
        "frontier": [_record(result, candidate) for candidate in result.edge],
    }


def _heading(result: FitResult) -> str:
    tried, invalid = len(result.frontier.tried), sum(result.frontier.invalid.values())
    keys = ", ".join(axis.key for axis in result.axes)
    return (
        f"{result.spec}: {result.target_bytes:,} bytes over {keys}\n"
        f"{tried} of {_combinations(result)} combinations planned" + (f", {invalid} invalid" if invalid else "")
    )


def _notes(result: FitResult) -> list[str]:
    notes = [f"  {count} skipped by {code}" for code, count in sorted(result.frontier.invalid.items())]
    if result.frontier.exhaustive:
        notes.append("all were planned, as bytes do not grow along every key")
    if _distorting(result):
        least = result.constraint.bits_per_weight
        notes.append(f"rate_distortion stores take what is left; at least {least:g} bits a weight are asked for")
    return notes


def _columns(result: FitResult) -> Sequence[str]:
    bits = ["bits/weight"] if _distorting(result) else ["low", "high"]
    return ["parameters", "bytes", *bits, "MFLOP/token", "loss proxy"]


def _row(result: FitResult, candidate: Candidate) -> list[object]:
    values = [axis.text(index) for axis, index in zip(result.axes, candidate.place, strict=True)]
    bits: list[object] = [candidate.low_bytes, candidate.high_bytes]
    if _distorting(result):
        bits = [f"{candidate.bits_per_weight or 0:.2f}"]
    flops, proxy = f"{candidate.flops_per_token / 1e6:.1f}", f"{result.proxy(candidate):.4f}"
    return [*values, candidate.parameters, candidate.needed_bytes, *bits, flops, proxy]


def _record(result: FitResult, candidate: Candidate) -> dict[str, Any]:
    return {
        "set": result.sets(candidate),
        "parameters": candidate.parameters,
        "effective_parameters": candidate.effective_parameters,
        "needed_bytes": candidate.needed_bytes,
        "low_bytes": candidate.low_bytes,
        "high_bytes": candidate.high_bytes,
        "bits_per_weight": candidate.bits_per_weight,
        "flops_per_token": candidate.flops_per_token,
        "loss_proxy": result.proxy(candidate),
    }


def _combinations(result: FitResult) -> int:
    return prod(len(axis.values) for axis in result.axes)


def _distorting(result: FitResult) -> bool:
    return any(candidate.bits_per_weight is not None for candidate in result.frontier.tried)
