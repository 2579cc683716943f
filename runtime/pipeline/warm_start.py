"""Initial weights from a trained model of another spec: blocks that become one start as a merge of the old ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from ...compiler.folding import fold
from ...compiler.graph.modes import FULL
from ...compiler.plan import Plan, PlannedStore
from ..train.errors import TrainingError
from .store_sources import Source, store_sources

Merge = Literal["first", "mean", "influence"]


class WarmStartError(TrainingError):
    """The source's weights do not fit the spec."""


def warm_start(
    plan: Plan,
    source_plan: Plan,
    weights: Mapping[str, Tensor],
    merge: Merge,
    influence: Sequence[float] | None = None,
) -> tuple[dict[str, Tensor], list[str]]:
    """Weights for the stores of `plan` from those of `source_plan`, and notes for people.

    A store starts from what the source read at the places where it is read (see `store_sources`); where it is read at
    none of the source's places, from the source's store of its name. Several different stores are merged: `first`
    takes that of the first place; `mean` weighs every place alike, `influence` by the influence of its position. A
    store that nothing in the source stands for is missing in the result and named in the notes: it keeps its own init.
    Copies keep every bit.

    Args:
        weights: the source's by store name; those that only training reads may be missing.
        influence: of each position of the source's mode full, in order; needed for `influence` alone.

    Raises:
        WarmStartError: the shapes do not agree, or the influences are not one finite number >= 0 for each position.
    """
    shares = _shares(source_plan, influence) if merge == "influence" else {}
    origins = store_sources(plan, source_plan)
    merged: dict[str, Tensor] = {}
    merges: list[tuple[str, str]] = []
    for store in plan.stores:
        found = [item for item in origins[store.name] if item.store in weights]
        if not found and not origins[store.name] and store.name in weights:
            found = [Source(store.name, None)]
        if not found:
            continue
        names = tuple(dict.fromkeys(item.store for item in found))
        _check_shapes(store, names, weights)
        if len(names) > 1:
            merges.append((store.name, f"{merge} of {len(names)} stores"))
        merged[store.name] = _merged(found if merge != "first" else found[:1], weights, shares)
    return merged, _notes(plan, weights, merged, merges, origins)


def _shares(source: Plan, influence: Sequence[float] | None) -> dict[int, float]:
    """Weight of each position of mode full."""
    positions = source.modes[FULL].positions
    if influence is None or len(influence) != len(positions):
        given = "none" if influence is None else str(len(influence))
        raise WarmStartError(
            f"merging by influence needs one influence for each of the source's {len(positions)} positions, "
            f"there are {given}; measure them in mode full"
        )
    shares = torch.tensor(list(influence), dtype=torch.float64)
    if not bool((torch.isfinite(shares) & (shares >= 0)).all()):
        raise WarmStartError("merging by influence: an influence is negative or not finite; measure them again")
    return dict(zip(positions, shares.tolist(), strict=True))


def _check_shapes(store: PlannedStore, names: Iterable[str], weights: Mapping[str, Tensor]) -> None:
    for name in names:
        shape = tuple(weights[name].shape)
        if shape != store.shape:
            raise WarmStartError(
                f"warm start: {store.name} has shape {store.shape}, but {name}, which the source reads in its place, "
                f"has {shape}; give both specs the same widths, or start without the source"
            )


def _merged(found: Sequence[Source], weights: Mapping[str, Tensor], shares: Mapping[int, float]) -> Tensor:
    """The mean of the places' stores in float64; one store alone as it is."""
    if len({item.store for item in found}) == 1:
        return weights[found[0].store].detach().clone()
    factors = [shares.get(item.position, 0.0) if item.position is not None else 0.0 for item in found]
    if not sum(factors):  # no influences, or none that differs from 0: every place alike
        factors = [1.0] * len(found)
    total = sum(factor * weights[item.store].detach().double() for factor, item in zip(factors, found, strict=True))
    assert isinstance(total, Tensor)
    return (total / sum(factors)).to(weights[found[0].store].dtype)


def _notes(
    plan: Plan,
    weights: Mapping[str, Tensor],
    merged: Mapping[str, Tensor],
    merges: Sequence[tuple[str, str]],
    origins: Mapping[str, Sequence[Source]],
) -> list[str]:
    used = {item.store for sources in origins.values() for item in sources} | set(merged)
    kept = [(store.name, "") for store in plan.stores if store.name not in merged]
    unused = [(name, "") for name in weights if name not in used]
    return [
        *(f"merged: {item.name}: {item.value}" for item in fold(merges)),
        *(f"kept at its own init: {item.name}: the source has nothing in its place" for item in fold(kept)),
        *(f"unused of the source: {item.name}" for item in fold(unused)),
    ]
