"""Differences of two plans: figures, and stores by name."""

from __future__ import annotations

from dataclasses import dataclass

from ...compiler.plan import Plan, PlannedStore
from ...compiler.summary import shape_text


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the plan, on either side."""

    name: str
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class StoreChange:
    """A store that both plans have, and how it is described on either side."""

    name: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class PlanChanges:
    """`figures` are always all there; a store can be both reshaped and treated otherwise."""

    figures: tuple[Figure, ...]
    removed: tuple[tuple[str, str], ...]  # name, shape
    added: tuple[tuple[str, str], ...]
    reshaped: tuple[StoreChange, ...]  # shapes
    treated: tuple[StoreChange, ...]  # group, dtype and scheme

    @property
    def any(self) -> bool:
        """Whether the plans differ in anything that is listed here."""
        stores = (self.removed, self.added, self.reshaped, self.treated)
        return any(stores) or any(figure.a != figure.b for figure in self.figures)


def plan_changes(a: Plan, b: Plan) -> PlanChanges:
    """What differs from `a` to `b`."""
    left, right = ({store.name: store for store in plan.stores} for plan in (a, b))
    both = [(store, right[name]) for name, store in left.items() if name in right]
    return PlanChanges(
        figures=_figures(a, b),
        removed=tuple((name, shape_text(store)) for name, store in left.items() if name not in right),
        added=tuple((name, shape_text(store)) for name, store in right.items() if name not in left),
        reshaped=tuple(StoreChange(x.name, shape_text(x), shape_text(y)) for x, y in both if x.shape != y.shape),
        treated=tuple(StoreChange(x.name, treatment(x), treatment(y)) for x, y in both if treatment(x) != treatment(y)),
    )


def treatment(store: PlannedStore) -> str:
    """Optimizer group, dtype in training and scheme in the artifact."""
    return f"{store.group} {store.dtype} {store.scheme if store.exported else 'not in the artifact'}"


def _figures(a: Plan, b: Plan) -> tuple[Figure, ...]:
    return (
        Figure("parameters", a.parameters, b.parameters),
        Figure("effective_parameters", a.effective_parameters, b.effective_parameters),
        Figure("positions", len(a.positions), len(b.positions)),
        Figure("predicted_bytes", a.size.predicted_bytes, b.size.predicted_bytes),
        Figure("limit_bytes", a.size.limit_bytes, b.size.limit_bytes),
    )
