"""What a spec promises of its run, held against what the run counted."""

from __future__ import annotations

from collections.abc import Callable

from ...compiler.plan import UNASSIGNED, Plan
from ...compiler.source.wording import few
from ...compiler.spec.averaging import first_step, quantization_aware_steps, update_count
from ...compiler.spec.train import Average
from .average import Shadow
from .counts import Counts
from .errors import TrainingError
from .itinerary import Itinerary
from .main_stage import ROUNDING, SNAPSHOTS
from .order import MAIN

Note = Callable[[str], None]


def tell_what_is_left_out(plan: Plan, note: Note) -> None:
    """Faults that the spec expects, and what this run makes of them."""
    train = plan.spec.train
    for name in train.averages:
        if name != train.load:
            note(f"train.averages.{name}: nothing loads it, so this run does not keep it")
    untrained = [store.name for store in plan.stores if store.group == UNASSIGNED]
    if untrained:
        note(f"train.assign: no optimizer trains {few(untrained)}")
    if train.quantization_aware is not None and first_step(train.quantization_aware.start, train) is None:
        note("train.quantization_aware: its start is not reached, no step uses rounded weights")


def require_kept(plan: Plan, counts: Counts, itinerary: Itinerary, average: Shadow | None, note: Note) -> None:
    """Hold a finished run against its spec, and tell what was counted.

    Raises:
        TrainingError: something that the spec asks for has not run, or not as often.
    """
    if not counts.stages[MAIN]:
        raise TrainingError("no step was taken: training was over before it began; raise train.stop.seconds")
    _require_rounding(plan, counts, itinerary, note)
    _require_shrinking(plan, counts, note)
    _require_finish(plan, counts, itinerary, note)
    _require_average(plan, counts, itinerary, average, note)
    if plan.spec.train.stop.seconds is not None and itinerary.main.ended_by != plan.spec.train.schedule.clock:
        clock, ended_by = plan.spec.train.schedule.clock, itinerary.main.ended_by
        note(f"training was ended by {ended_by}; the schedule goes by {clock}, and did not come to its end")


def _require_rounding(plan: Plan, counts: Counts, itinerary: Itinerary, note: Note) -> None:
    train = plan.spec.train
    if train.quantization_aware is None:
        return
    planned = quantization_aware_steps(train)
    if planned != 0 and not counts.quantization_aware:
        never = ROUNDING not in itinerary.main.since
        why = "its start was not reached" if never else "the modes of those steps read no store with an integer scheme"
        raise TrainingError(
            f"train.quantization_aware: no step ran on rounded weights; {why}. Start it earlier, change "
            "quantization.rules, or set quantization_aware: null"
        )
    note(f"quantization-aware steps: {counts.quantization_aware}")


def _require_shrinking(plan: Plan, counts: Counts, note: Note) -> None:
    penalty = plan.spec.train.penalties.nuclear_norm
    if penalty is None:
        return
    if not counts.shrunk and sum(counts.stages.values()) >= penalty.every:
        raise TrainingError(
            "train.penalties.nuclear_norm: it has lowered no singular value; mend its match, or set null"
        )
    note(f"nuclear norm: lowered {counts.shrunk} times")


def _require_finish(plan: Plan, counts: Counts, itinerary: Itinerary, note: Note) -> None:
    planned: dict[str, int] = {}
    for index, part in enumerate(plan.spec.train.finish):
        kept = len(itinerary.main.places.get(index, ()))
        steps = kept * (part.epochs or 0) if part.kind == "replay" else part.step_count
        planned[part.kind] = planned.get(part.kind, 0) + steps
        if part.kind == "replay" and kept < (part.batches or 0):
            note(f"train.finish.{index}: training left {kept} of {part.batches} batches to replay")
        if steps == 0:
            raise TrainingError(f"train.finish.{index}: nothing to {part.kind}; keep batches from earlier on")
    for kind, steps in planned.items():
        if counts.stages[kind] != steps:
            raise TrainingError(f"train.finish: {counts.stages[kind]} steps of {kind} ran, of {steps}")
        note(f"{kind} steps: {steps}")


def _require_average(plan: Plan, counts: Counts, itinerary: Itinerary, average: Shadow | None, note: Note) -> None:
    train = plan.spec.train
    if average is None or train.loaded is None:
        return
    if not average.updates:
        raise TrainingError(f"train.averages.{train.load}: it took in no weights; begin it earlier, or train longer")
    planned = update_count(train.loaded, train)
    steps = sum(counts.stages.values())
    if not isinstance(planned, int) or steps != counts.stages[MAIN]:
        planned = _updates_in(train.loaded, steps, itinerary.main.since.get(SNAPSHOTS))
    if average.updates != planned:
        raise TrainingError(f"train.averages.{train.load}: {average.updates} updates, of {planned} planned")
    note(f"average {train.load}: {average.updates} updates")


def _updates_in(average: Average, steps: int, since: int | None) -> int:
    """Updates in so many steps, what follows training included; `since`: the step at which its start was reached."""
    if average.kind == "ema":
        return max(steps - (average.start_step or 0), 0)
    assert average.every is not None
    return 0 if since is None else steps // average.every - since // average.every
