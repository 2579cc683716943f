"""Pass `optimizer`: the group that trains each store, by the first rule of `train.assign` that takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..graph.model import Store
from ..plan import UNASSIGNED
from ..spec.optimizer import Assignment
from .draft import Draft
from .quantization import matches


def assign_groups(draft: Draft) -> Draft:
    """Fills `groups`; a store that no rule takes gets UNASSIGNED, and LS520 reports it."""
    assert draft.graph is not None
    rules = draft.spec.train.assign
    return replace(draft, groups={store.name: _group(rules, store) for store in draft.graph.stores})


def first_assignment(rules: Sequence[Assignment], store: Store) -> int | None:
    """Index of the first rule that takes the store."""
    return next((index for index, rule in enumerate(rules) if matches(rule.match, store)), None)


def _group(rules: Sequence[Assignment], store: Store) -> str:
    index = first_assignment(rules, store)
    if index is None:
        return UNASSIGNED
    destination = rules[index].to
    return store.group if destination == "declared" else destination
