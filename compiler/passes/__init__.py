"""The passes, in order, and the one function that runs them: Spec in, Plan out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..graph.executions import Execution
from ..graph.verify import verify
from ..plan import Plan, PlannedMode, PlannedStore, Position
from ..spec import Spec
from ..spec.quantization import Scheme
from .bind import bind
from .cost import measure_cost
from .draft import Draft
from .features import position_features
from .modes import order_modes
from .optimizer import assign_groups
from .paths import expand_paths
from .quantization import plan_quantization
from .shapes import infer_shapes
from .size import predict
from .uses import count_uses


@dataclass(frozen=True, slots=True)
class Pass:
    """A named pure function from draft to draft."""

    name: str
    run: Callable[[Draft], Draft]


PASSES: tuple[Pass, ...] = (
    Pass("paths", expand_paths),
    Pass("bind", bind),
    Pass("modes", order_modes),
    Pass("shapes", infer_shapes),
    Pass("uses", count_uses),
    Pass("optimizer", assign_groups),
    Pass("quantization", plan_quantization),
    Pass("cost", measure_cost),
    Pass("size", predict),
)


def run_passes(spec: Spec, until: str | None = None) -> Draft:
    """Runs the passes, up to and including `until`, with the verifier after each that made a graph.

    A graph is frozen when it is made, so one that has been verified stays verified.
    """
    draft = Draft(spec)
    for step in PASSES:
        before, draft = draft, step.run(draft)
        if draft.graph is not None and draft.graph is not before.graph:
            verify(draft.graph, step.name)
        if step.name == until:
            break
    return draft


def freeze(draft: Draft) -> Plan:
    """The plan of a draft that went through all passes."""
    assert draft.graph is not None and draft.size is not None
    stores = tuple(
        PlannedStore(
            name=store.name,
            shape=store.shape,
            dtype=store.dtype,
            init=store.init,
            group=draft.groups[store.name],
            # a store that no rule takes is an LS3xx error; the plan is still printed, with the store as trained
            scheme=draft.schemes.get(store.name, Scheme("float32")),
            modes=draft.uses[store.name].modes,
            sites=draft.uses[store.name].sites,
            gradient_modes=draft.uses[store.name].gradient_modes,
            family=store.family,
            exported=store.exported,
        )
        for store in draft.graph.stores
    )
    modes = {name: _mode(draft, name) for name in draft.order}
    features = position_features(draft.graph)
    positions = tuple(_position(run, features.get(run.index, ())) for run in draft.executions)
    return Plan(draft.spec, draft.graph, stores, positions, modes, draft.size)


def _mode(draft: Draft, name: str) -> PlannedMode:
    assert draft.graph is not None
    sites = [draft.graph.site(site) for site in draft.order[name]]
    positions = dict.fromkeys(site.position for site in sites if site.position is not None)
    training = draft.variants.get(name, ())
    return PlannedMode(name, draft.order[name], tuple(positions), draft.costs[name], draft.depths[name], training)


def _position(run: Execution, features: tuple[str, ...]) -> Position:
    if run.stage.checkpoint_activations:
        features = (*features, "checkpointed")
    return Position(
        index=run.index,
        stage=run.stage.name,
        loop=run.loop,
        block=run.block_name,
        occurrence=run.occurrence,
        features=features,
    )
