"""The plan for a reader: what is stored, where it runs, what it costs, what it weighs."""

from __future__ import annotations

from .plan import Plan, PlannedStore
from .tables import table


def plan_text(plan: Plan) -> str:
    """Stable text of a plan; equal plans give equal text. Every store is named once."""
    spec = plan.spec
    lines = [
        f"plan of {spec.name}",
        "",
        f"  parameters stored     {plan.parameters:>14,}   in {len(plan.stores)} stores",
        f"  parameters effective  {plan.effective_parameters:>14,}   each store once for every site of mode full that reads it",
        "",
        *_budget(plan),
        "",
        "modes",
        *_modes(plan),
        "",
        "cadence",
        *_cadence(plan),
        "",
        "positions (of mode full)",
        *_positions(plan),
        "",
        "stores",
        *_stores(plan),
    ]
    return "\n".join(lines) + "\n"


def _budget(plan: Plan) -> list[str]:
    size = plan.size
    margin = size.limit_bytes - size.predicted_bytes
    verdict = "fits" if size.high_bytes <= size.limit_bytes else "does not fit" if size.low_bytes > size.limit_bytes else "may not fit"
    return [
        "budget (bytes)",
        f"  predicted  {size.predicted_bytes:>12,}   between {size.low_bytes:,} and {size.high_bytes:,}, of them {size.code_bytes:,} code",
        f"  limit      {size.limit_bytes:>12,}   margin {margin:,}: {verdict}",
    ]


def _modes(plan: Plan) -> list[str]:
    rows = [
        (
            mode.name,
            len(mode.positions),
            len(mode.sites),
            f"{mode.cost.forward_flops_per_token / 1e6:,.1f} M",
            f"{mode.cost.backward_flops_per_token / 1e6:,.1f} M",
            f"{mode.cost.activation_bytes_per_token / 1024:,.0f} KiB",
            f"{_activation_mib(plan, mode.cost.activation_bytes_per_token):,.0f} MiB",
        )
        for mode in plan.modes.values()
    ]
    header = ("mode", "positions", "sites", "forward/token", "backward/token", "activations/token", "per micro-batch")
    train = plan.spec.train
    note = (
        f"  (FLOPs at {train.sequence_length:,} tokens a sequence; activations kept for the backward pass in float32,"
        f" micro-batch of {train.micro_batch_sequences * train.sequence_length:,} tokens)"
    )
    return [*table(header, rows), note]


def _activation_mib(plan: Plan, per_token: int) -> float:
    train = plan.spec.train
    return per_token * train.micro_batch_sequences * train.sequence_length / 2**20


def _cadence(plan: Plan) -> list[str]:
    start, lines = 0, []
    for phase in plan.spec.cadence:
        end = plan.spec.train.stop.steps if phase.until is None else phase.until
        lines.append(f"  steps {start:,} to {end - 1:,}: {', '.join(phase.pattern)}" + (", repeated" if len(phase.pattern) > 1 else ""))
        start = end
    lines += [f"  {activity}: {mode}" for activity, mode in plan.spec.activities.items()]
    return lines


def _positions(plan: Plan) -> list[str]:
    rows = [
        (item.index, item.stage, item.loop, item.block, item.occurrence, ", ".join(item.features) or "-")
        for item in plan.positions
    ]
    return table(("position", "stage", "loop", "block", "occurrence", "features"), rows)


def _stores(plan: Plan) -> list[str]:
    rows = [
        (store.name, shape_text(store), store.elements, store.dtype, store.group, str(store.scheme), store.sites, _modes_of(plan, store))
        for store in plan.stores
    ]
    return table(("store", "shape", "elements", "dtype", "group", "stored as", "sites", "modes"), rows)


def _modes_of(plan: Plan, store: PlannedStore) -> str:
    return "all" if set(store.modes) == set(plan.modes) else ", ".join(store.modes) or "none"


def shape_text(store: PlannedStore) -> str:
    """`640 x 128`; a single number is a scalar."""
    return " x ".join(map(str, store.shape)) or "scalar"
