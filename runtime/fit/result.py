"""A finished search: the frontier with its scores, as text and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from shlex import quote
from typing import Any, Literal

from ...compiler.tables import table
from .axes import LIMIT, Axis
from .candidate import Candidate, Constraint, loss_proxy
from .search import Frontier

Score = Literal["parameters", "loss"]


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a search found, and by what it is ordered.

    Attributes:
        changes: what `--set` made of the spec before anything was varied.
        target_bytes: of the spec as given, its budget less its margin.
        bits_per_weight: what that gives rate-distortion stores; None where there are none.
        flops: of training, for the loss proxy.
    """

    spec: str
    changes: tuple[str, ...]
    axes: tuple[Axis, ...]
    frontier: Frontier
    constraint: Constraint
    target_bytes: int
    bits_per_weight: float | None
    by: Score
    flops: float

    @property
    def edge(self) -> list[Candidate]:
        """The frontier, best first."""
        return sorted(self.frontier.edge, key=self._order)

    @property
    def targets(self) -> list[int]:
        """The budgets less the margins of all that were tried, rising; that of the spec as given where none were."""
        return sorted({candidate.target_bytes for candidate in self.frontier.tried}) or [self.target_bytes]

    @property
    def budget_text(self) -> str:
        """`360,000 bytes`, or from the least to the most."""
        ends = dict.fromkeys((self.targets[0], self.targets[-1]))
        return " to ".join(f"{end:,}" for end in ends) + " bytes"

    def proxy(self, candidate: Candidate) -> float:
        """The candidate's loss proxy."""
        return loss_proxy(candidate, self.flops)

    def sets(self, candidate: Candidate) -> list[str]:
        """What `--set` takes to make the candidate of the spec."""
        return self.sets_at(candidate.place)

    def sets_at(self, place: tuple[int, ...]) -> list[str]:
        """The same of any place."""
        return [f"{axis.key}={axis.text(index)}" for axis, index in zip(self.axes, place, strict=True)]

    def command(self, name: str, place: tuple[int, ...]) -> str:
        """The command of this name on the variant at a place."""
        changes = [*self.sets_at(place), *self.changes]
        return " ".join(["loopspec", name, quote(self.spec), *(f"--set {quote(change)}" for change in changes)])

    def _order(self, candidate: Candidate) -> tuple[float, float]:
        """Best first; of equals the one that needs least."""
        score = -candidate.parameters if self.by == "parameters" else self.proxy(candidate)
        return (score, candidate.needed_bytes)


def fit_text(result: FitResult, rows: int) -> str:
    """The best `rows` of the frontier as a table, and how to make the first."""
    lines = [_heading(result), *_notes(result)]
    if not result.edge:
        return "\n".join([*lines, *_nothing_fits(result), ""])
    header = (*(axis.key.rpartition(".")[2] for axis in result.axes), *_columns(result))
    lines += ["", *table(header, [_row(result, candidate) for candidate in result.edge[:rows]])]
    if len(result.edge) > rows:
        lines.append(f"  ... and {len(result.edge) - rows} more; --rows shows them")
    return "\n".join([*lines, "", f"best by {result.by}: {result.command('plan', result.edge[0].place)}", ""])


def fit_json(result: FitResult) -> dict[str, Any]:
    """The result as JSON-able data; `frontier` is best first."""
    return {
        "spec": result.spec,
        "by": result.by,
        "target_bytes": result.target_bytes,
        "least_bits_per_weight": result.constraint.bits_per_weight,
        "keys": [axis.key for axis in result.axes],
        "combinations": _combinations(result),
        "bits_per_weight": result.bits_per_weight,
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
        f"{result.spec}: {result.budget_text}, varying {keys}\n"
        f"{tried} of {_combinations(result)} combinations planned" + (f", {invalid} invalid" if invalid else "")
    )


def _notes(result: FitResult) -> list[str]:
    notes = [f"  {count} skipped by {code}" for code, count in sorted(result.frontier.invalid.items())]
    if result.frontier.exhaustive:
        notes.append("all were planned, as bytes do not grow along every key")
    if _distorting(result):
        least, given = result.constraint.bits_per_weight, result.bits_per_weight
        notes.append(f"fits: has bytes for at least {least:g} bits a weight of rate_distortion (--bits-per-weight)")
        if given is not None and given < least:
            notes.append(f"the spec as given has bytes for {given:.2f}, so by this it does not fit itself")
    return notes


def _nothing_fits(result: FitResult) -> list[str]:
    """What is the matter, and how to mend it."""
    tried, fault = result.frontier.tried, result.frontier.fault
    if not tried:
        assert fault is not None
        first = f"{', '.join(result.sets_at(fault.place))}: {fault.message}"
        return [f"no combination is a valid spec; {first}", f"see {result.command('validate', fault.place)}"]
    nearest = min(tried, key=lambda candidate: candidate.excess_bytes)
    at_bits = f" at {result.constraint.bits_per_weight:g} bits a weight" if _distorting(result) else ""
    at = ", ".join(result.sets(nearest))
    return [f"nothing fits; nearest is {at}, {nearest.excess_bytes:,} bytes over{at_bits}", _mend(result, nearest)]


def _mend(result: FitResult, nearest: Candidate) -> str:
    keys = {axis.key for axis in result.axes}
    mends = [f"smaller values of {', '.join(sorted(keys - {LIMIT}))}"] if keys - {LIMIT} else []
    mends.append(f"larger values of {LIMIT}" if LIMIT in keys else f"a larger {LIMIT} by --set")
    if nearest.bits_per_weight is not None and nearest.low_bytes <= nearest.target_bytes:
        mends.append(f"--bits-per-weight below {nearest.bits_per_weight:.2f}, what that has bytes for")
    return f"give {', or '.join(mends)}"


def _columns(result: FitResult) -> Sequence[str]:
    if not _distorting(result):
        return ["parameters", "bytes", "low", "high", "MFLOP/token", "loss proxy"]
    least = f"bytes at {result.constraint.bits_per_weight:g} bits"
    return ["parameters", least, "bits at budget", "MFLOP/token", "loss proxy"]


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
        "target_bytes": candidate.target_bytes,
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
