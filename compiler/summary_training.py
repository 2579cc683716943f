"""What a plan says of training: averages, and steps on rounded weights."""

from __future__ import annotations

from textwrap import wrap

from .passes.penalties import shrunk_stores
from .plan import Plan
from .spec import Spec
from .spec.averaging import Unknown, first_step, quantization_aware_steps, starting_share, update_count
from .spec.batches import BatchShape
from .spec.quantization import Match
from .spec.train import LAST, Average, Schedule, Train

_WIDTH = 80


def clock_lines(train: Train) -> list[str]:
    """What ends training, what the learning rate goes by, and the batches."""
    stop, schedule = train.stop, train.schedule
    limits = [] if stop.steps is None else [f"{stop.steps:,} steps"]
    limits += [] if stop.tokens is None else [f"{stop.tokens:,} tokens"]
    if stop.seconds is not None:
        kept = f" ({stop.reserve_seconds:g} of them kept for what follows)" if stop.reserve_seconds else ""
        limits.append(f"{stop.seconds:g} seconds{kept}")
    lines = _wrapped(f"ends at {' or '.join(limits)}" + (", whichever comes first" if len(limits) > 1 else ""))
    lines += _wrapped(f"learning rate by {schedule.clock}: {_ramp(schedule)}")
    if not train.batch_schedule:
        return [*lines, *_wrapped(f"batches: {_batch(train.shape)}")]
    for span in train.spans:
        lines += _wrapped(f"from step {span.first_step:,}: {_batch(span.shape)}")
    return lines


def _wrapped(text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _ramp(schedule: Schedule) -> str:
    parts = [f"{schedule.warmup_steps:,} steps up"] if schedule.warmup_steps else []
    parts += [f"held for {schedule.hold_steps:,} steps at least"] if schedule.hold_steps else []
    down = ""
    if schedule.warmdown_tokens:
        down = f"{schedule.warmdown_tokens:,} tokens"
    elif schedule.warmdown_seconds:
        down = f"{schedule.warmdown_seconds:g} seconds"
    elif schedule.warmdown_steps:
        at_pace = " at the mean pace so far" if schedule.clock == "seconds" else ""
        down = f"{schedule.warmdown_steps:,} steps{at_pace}"
    parts += [f"the last {down} down to {schedule.floor:g}"] if down else []
    return ", ".join(parts) or "constant"


def _batch(shape: BatchShape) -> str:
    passes = f", in {shape.accumulation} passes" if shape.accumulation > 1 else ""
    sequences = shape.sequences * shape.accumulation
    return f"{sequences:,} sequences of {shape.sequence_length:,} tokens, {shape.batch_tokens:,} a step{passes}"


def penalty_lines(plan: Plan) -> list[str]:
    """What training adds to the loss, and what it takes off the weights."""
    train = plan.spec.train
    lines = [f"  label smoothing {train.label_smoothing:g}, in training steps alone"] if train.label_smoothing else []
    lines += [f"  z-loss {train.penalties.z_loss:g}, in training steps alone"] if train.penalties.z_loss else []
    nuclear = train.penalties.nuclear_norm
    if nuclear is not None:
        groups = {store.name: store.group for store in plan.stores}
        count = len(shrunk_stores(nuclear, plan.graph.stores, groups))
        when = f"every {nuclear.every:,} steps" if nuclear.every > 1 else "every step"
        lines.append(f"  nuclear norm: {nuclear.weight:g} off the singular values of {count:,} stores, {when}")
    return lines


def averaging_lines(spec: Spec) -> list[str]:
    """What is scored and packed, and for each average how much it takes in and what stays of its start."""
    train = spec.train
    packed = "the last weights" if train.load == LAST else f"average {train.load}"
    lines = _wrapped(f"scored and packed: {packed}")
    for name, average in train.averages.items():
        lines += _wrapped(f"average {name}: {_average(average, train)}{_unused(name, train)}")
    return lines


def quantization_aware_lines(plan: Plan) -> list[str]:
    """From where on, and how many, steps run on weights rounded as the artifact's; none where nothing is declared."""
    train = plan.spec.train
    if train.quantization_aware is None:
        return []
    first, count = first_step(train.quantization_aware.start, train), quantization_aware_steps(train)
    if first is None:
        return ["  quantization-aware: no step, the start is not reached"]
    stores = sum(store.exported and store.scheme.kind == "integer" for store in plan.stores)
    if isinstance(first, Unknown):
        steps = "from a step on that the clock tells"
    elif isinstance(count, Unknown):
        steps = f"from step {first:,} on"
    else:
        steps = f"steps {first:,} to {first + count - 1:,} ({count:,})"
    return _wrapped(f"quantization-aware: {steps}, on {stores:,} rounded stores")


def _average(average: Average, train: Train) -> str:
    if average.kind == "swa":
        assert average.start is not None
        first, count = first_step(average.start, train), update_count(average, train)
        number = "" if isinstance(count, Unknown) else f"{count:,} "
        if first is None:
            return f"mean of {number}snapshots, never begins"
        since = "a step on that the clock tells" if isinstance(first, Unknown) else f"step {first:,} on"
        return f"mean of {number}snapshots, one every {average.every:,} steps from {since}"
    began = f"the weights after step {average.start_step:,}" if average.start_step else "the initial weights"
    kept = starting_share(average, train)
    share = f"a share of {began}" if isinstance(kept, Unknown) else f"{100 * kept:.2g}% of {began}"
    rules = ", ".join(f"{rule.decay:g} for {_matched(rule.match)}" for rule in average.decays)
    others = f" ({rules})" if rules else ""
    return f"ema {average.decay:g}{others}, {share} {'divided out' if average.debias else 'left in it'}"


def _matched(match: Match) -> str:
    """What a rule takes: its glob, or its conditions."""
    if match.name is not None:
        return match.name
    given = {"group": match.group, "ndim": match.ndim, "from": match.min_elements, "to": match.max_elements}
    return " ".join(f"{key} {value}" for key, value in given.items() if value is not None) or "all"


def _unused(name: str, train: Train) -> str:
    return "" if name == train.load else "; not kept, nothing loads it"
