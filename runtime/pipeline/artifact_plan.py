"""The plan of an artifact, from the spec inside it, and whether its tables are the plan's; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...compiler.check import SpecError, plan_resolved
from ...compiler.emit.dedup import dedup_map
from ...compiler.plan import Plan
from ..artifact import STATE_STORAGE, ArtifactContents, ArtifactError
from ..quantize import Storage, storage_of

Row = tuple[str, tuple[int, ...], Storage]


def artifact_plan(path: Path, contents: ArtifactContents) -> Plan:
    """The plan of the artifact's own spec.

    Raises:
        ArtifactError: its spec has problems, or its stores or states are not those of the plan.
    """
    try:
        plan = plan_resolved(contents.spec, "the artifact's spec")
    except SpecError as error:
        raise ArtifactError(
            f"{path}: its spec has problems; read it with the loopspec that wrote it\n{error}"
        ) from error
    check_tables(path, plan, contents)
    return plan


def check_tables(path: Path, plan: Plan, contents: ArtifactContents) -> None:
    """Raises ArtifactError unless plan, dedup map and header name the same stores, in one order, and the same states.

    Shapes and storages are compared too. A header table names no store twice, so what is shared is stored once.
    """
    stores = [(store.name, store.shape, storage_of(store.scheme)) for store in plan.exported_stores]
    _compare(path, "store", stores, [(each.name, each.shape, each.storage) for each in contents.stores.values()])
    states = [(state.name, state.shape, STATE_STORAGE) for state in plan.exported_states]
    _compare(path, "state", states, [(each.name, each.shape, each.storage) for each in contents.states.values()])
    mapped = {name: tuple(entry["shape"]) for name, entry in dedup_map(plan)["stores"].items()}
    if list(mapped.items()) != [(each.name, each.shape) for each in contents.stores.values()]:
        raise ArtifactError(f"{path}: its stores are not those of its dedup map; pack the run again")


def _compare(path: Path, kind: str, planned: Sequence[Row], held: Sequence[Row]) -> None:
    for ours, theirs in zip(planned, held, strict=False):
        if ours != theirs:
            raise ArtifactError(
                f"{path}: its {kind}s are not those of its own spec, which has {_named(ours)} where the artifact has "
                f"{_named(theirs)}; pack the run again"
            )
    if len(planned) != len(held):
        raise ArtifactError(
            f"{path}: its {kind}s are not those of its own spec: {len(held)} where the spec has {len(planned)}; "
            "pack the run again"
        )


def _named(row: Row) -> str:
    name, shape, storage = row
    return f"{name} {shape} as {storage}"
