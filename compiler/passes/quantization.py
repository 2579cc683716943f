"""Pass `quantization`: the first rule that matches a store gives its scheme."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

from ..graph.model import Store
from ..spec.quantization import Match, Scheme
from .draft import Draft


def plan_quantization(draft: Draft) -> Draft:
    """Fills `schemes` of the stores that the artifact holds; the rules of LS3xx report those that no rule takes."""
    assert draft.graph is not None
    exported = (store for store in draft.graph.stores if store.exported)
    found = ((store.name, first_rule(draft, store)) for store in exported)
    schemes: dict[str, Scheme] = {
        name: draft.spec.quantization.rules[index].scheme for name, index in found if index is not None
    }
    return replace(draft, schemes=schemes)


def first_rule(draft: Draft, store: Store) -> int | None:
    """Index of the first rule of `quantization` that takes the store."""
    sites = draft.uses[store.name].sites
    rules = enumerate(draft.spec.quantization.rules)
    return next((index for index, rule in rules if matches(rule.match, store, sites)), None)


def is_matrix(store: Store) -> bool:
    """Whether inputs are multiplied by the store, or rows looked up in it: what calibration can measure."""
    return len(store.shape) == 2 and store.group in ("matrices", "embeddings", "head")


def matches(match: Match, store: Store, sites: int = 0) -> bool:
    """Whether every condition that is given holds for the store, which `sites` sites of mode full read."""
    conditions = (
        match.name is None or fnmatchcase(store.name, match.name),
        match.group is None or match.group == store.group,
        match.ndim is None or match.ndim == len(store.shape),
        match.min_elements is None or store.elements >= match.min_elements,
        match.max_elements is None or store.elements <= match.max_elements,
        match.matrix is None or match.matrix == is_matrix(store),
        match.min_uses is None or sites >= match.min_uses,
    )
    return all(conditions)
