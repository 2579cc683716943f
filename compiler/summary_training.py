"""What a plan says of training: averages, and steps on rounded weights."""

from __future__ import annotations

from .plan import Plan
from .spec import Spec
from .spec.averaging import first_step, quantization_aware_steps, starting_share, update_count
from .spec.train import LAST, Average, Train


def averaging_lines(spec: Spec) -> list[str]:
    """What is scored and packed, and for each average how much it takes in and what stays of its start."""
    train = spec.train
    packed = "the last weights" if train.load == LAST else f"average {train.load}"
    return [
        f"  scored and packed: {packed}",
        *(
            f"  average {name}: {_average(average, train)}{_unused(name, train)}"
            for name, average in train.averages.items()
        ),
    ]


def quantization_aware_lines(plan: Plan) -> list[str]:
    """From where on, and how many, steps run on weights rounded as the artifact's; none where nothing is declared."""
    train = plan.spec.train
    if train.quantization_aware is None:
        return []
    first = first_step(train.quantization_aware.start, train.schedule, train.stop.steps)
    if first is None:
        return ["  quantization-aware: no step, the start is not reached"]
    stores = sum(store.exported and store.scheme.kind == "integer" for store in plan.stores)
    count = quantization_aware_steps(train)
    steps = f"steps {first:,} to {train.stop.steps - 1:,} ({count:,})"
    return [f"  quantization-aware: {steps}, on {stores:,} rounded stores"]


def _average(average: Average, train: Train) -> str:
    if average.kind == "swa":
        assert average.start is not None
        first = first_step(average.start, train.schedule, train.stop.steps)
        since = "never begins" if first is None else f"one every {average.every:,} steps from step {first:,} on"
        return f"mean of {update_count(average, train):,} snapshots, {since}"
    began = f"the weights after step {average.start_step:,}" if average.start_step else "the initial weights"
    share = f"{100 * starting_share(average, train):.2g}% of {began}"
    return f"ema {average.decay:g}, {share} {'divided out' if average.debias else 'left in it'}"


def _unused(name: str, train: Train) -> str:
    return "" if name == train.load else "; not kept, nothing loads it"
