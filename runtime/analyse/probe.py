"""Dynamic liveness: a few steps of a spec, and what learned, what agreed and what acted in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor, nn

from ...compiler.emit.loader import build_module
from ...compiler.plan import Plan
from ...compiler.spec.phase_steps import trained_modes
from .ablation import Ablation, removals_of
from .batches import Batch, open_batches
from .gradients import agreements, site_gradients, states_of, summed_norms
from .judgement import judge
from .movement import Mover
from .records import Agreement, Change, Effect, Probe, Settings, Step
from .removals import Removal

Note = Callable[[str], None]


def shortest_sequence(plan: Plan) -> int:
    """Tokens that a sequence needs so that every loss has a target."""
    multi = plan.spec.architecture.model.multi_token
    return 2 + (0 if multi is None else multi.heads)


def probe(plan: Plan, settings: Settings, note: Note) -> Probe:
    """Runs the steps and the experiments, and judges them; `note` gets lines of progress.

    The module's weights start from the settings' seed. Everything runs on the CPU in float32, whatever the spec trains
    in, so that a difference of exactly 0 means that nothing acts.

    Raises:
        DataError: the spec's data cannot be used.
        TrainingError: a loss or a gradient is not finite.
    """
    modes = trained_modes(plan.spec)
    data, batches = open_batches(plan, settings, note)
    held = next(batches)
    note(f"{plan.spec.name}: {settings.batch} x {settings.sequence_length} tokens a step ({data})")
    module = build_module(plan, settings.seed)
    experiments = removals_of(plan, tuple(dict.fromkeys((plan.spec.activities["evaluate"], *modes))))
    start = _changes(plan, module, held, experiments, "at the start", note)
    steps = Mover(plan, module, batches).run(modes, settings.steps, lambda step, number: _report(step, number, note))
    end = _changes(plan, module, held, experiments, "after the steps", note)
    effects = tuple(
        Effect(item.feature, item.stage, item.mode, tuple(sorted(item.positions)), item.stores(plan), before, after)
        for item, before, after in zip(experiments, start, end, strict=True)
    )
    agreed, final = _gradients(plan, module, modes, held, note)
    found = Probe(plan, settings, modes, data, steps, final, agreed, effects, ())
    return replace(found, findings=judge(found))


def _report(step: Step, number: int, note: Note) -> None:
    note(f"step {number + 1} of mode {step.mode}: loss {step.loss:.4f}")


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters())


def _changes(
    plan: Plan, module: nn.Module, batch: Batch, experiments: tuple[Removal, ...], when: str, note: Note
) -> list[Change]:
    note(f"removing {len(experiments)} features one at a time, {when}")
    ablation = Ablation(plan, _weights(module), states_of(plan, module), batch)
    return [ablation.change(removal) for removal in experiments]


def _gradients(
    plan: Plan, module: nn.Module, modes: tuple[str, ...], batch: Batch, note: Note
) -> tuple[tuple[Agreement, ...], Mapping[str, Mapping[str, float]]]:
    """Agreement of the sites, and the norms of the gradients, after the steps."""
    found: tuple[Agreement, ...] = ()
    norms = {}
    for mode in modes:
        note(f"gradients site by site, mode {mode}")
        gradients = site_gradients(plan, mode, _weights(module), states_of(plan, module), batch)
        norms[mode] = summed_norms(gradients)
        found += agreements(mode, gradients)
    return found, norms
