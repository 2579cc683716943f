"""Proposals: ties that were really planned, with what each of them saves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ...compiler.check import SpecError, plan_resolved
from ...compiler.plan import Plan
from ..pipeline.store_sources import store_sources
from .errors import AnalysisError
from .ties import Tie
from .ties_document import tied_document

TRIED = 1000
"""Candidates that are planned at most for each proposal that is asked for."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tie, the plan of the spec with it, and what that saves of the artifact.

    Attributes:
        bytes_saved: of the predicted artifact.
    """

    tie: Tie
    plan: Plan
    parameters_saved: int
    bytes_saved: int


@dataclass(frozen=True, slots=True)
class Proposals:
    """The first proposals, and the candidates before the last of them that cannot be: with the reason, in their order.

    Attributes:
        exhausted: whether no further candidates are left.
    """

    proposals: tuple[Proposal, ...]
    refused: tuple[tuple[Tie, str], ...]
    exhausted: bool


def propose(plan: Plan, candidates: Iterable[Tie], wanted: int) -> Proposals:
    """Plans candidates in their order until `wanted` of them are good, or TRIED times as many have been tried."""
    proposals: list[Proposal] = []
    refused: list[tuple[Tie, str]] = []
    rest = islice(candidates, wanted * TRIED)
    while len(proposals) < wanted:
        tie = next(rest, None)
        if tie is None:
            return Proposals(tuple(proposals), tuple(refused), len(proposals) + len(refused) < wanted * TRIED)
        try:
            proposals.append(plan_tie(plan, tie))
        except AnalysisError as error:
            refused.append((tie, str(error)))
    return Proposals(tuple(proposals), tuple(refused), False)


def plan_tie(plan: Plan, tie: Tie) -> Proposal:
    """Plans the spec with the tie.

    Raises:
        AnalysisError: the tied spec has problems, or rules by name would treat its stores in another way.
    """
    document: dict[str, Any] = tied_document(plan, tie)
    try:
        tied = plan_resolved(document, f"{plan.spec.name} with {tie.group} {', '.join(map(str, tie.blocks))} tied")
    except SpecError as error:
        raise AnalysisError(str(error).strip()) from error
    _check_treatment(plan, tied)
    return Proposal(
        tie,
        tied,
        plan.exported_parameters - tied.exported_parameters,
        plan.size.predicted_bytes - tied.size.predicted_bytes,
    )


def _check_treatment(plan: Plan, tied: Plan) -> None:
    """Scheme and optimizer group of every store are those of all the stores that it stands for."""
    before = {store.name: (str(store.scheme), store.group) for store in plan.stores}
    sources = store_sources(tied, plan)
    for store in tied.stores:
        for source in sources[store.name]:
            if before[source.store] != (str(store.scheme), store.group):
                was, now = before[source.store], (str(store.scheme), store.group)
                raise AnalysisError(
                    f"rules by name give {store.name} {', '.join(now)}; {source.store} had {', '.join(was)}"
                )
