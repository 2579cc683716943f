"""The plan for a reader: what is stored, where it runs, what it costs, what it weighs."""

from __future__ import annotations

from itertools import groupby

from .folding import Folded, fold
from .plan import Plan, PlannedStore, Position
from .tables import table


def plan_text(plan: Plan) -> str:
    """Stable text of a plan, about 80 columns wide; equal plans give equal text.

    Every store is named once; stores that differ in nothing but one index share a row, with the indices as ranges.
    """
    lines = [
        f"plan of {plan.spec.name}",
        "",
        *_parameters(plan),
        "",
        *_budget(plan),
        "",
        *_modes(plan),
        "",
        "cadence",
        *_cadence(plan),
        "",
        *_positions(plan),
        "",
        *_stores(plan),
    ]
    return "\n".join(lines) + "\n"


def _parameters(plan: Plan) -> list[str]:
    return [
        "parameters",
        f"  stored     {plan.parameters:>14,}   in {len(plan.stores)} stores",
        f"  effective  {plan.effective_parameters:>14,}   each store once per site of mode full",
    ]


def _budget(plan: Plan) -> list[str]:
    size = plan.size
    margin = size.limit_bytes - size.predicted_bytes
    fits = "fits" if size.high_bytes <= size.limit_bytes else "may not fit"
    verdict = "does not fit" if size.low_bytes > size.limit_bytes else fits
    return [
        "budget (bytes)",
        f"  predicted  {size.predicted_bytes:>14,}   between {size.low_bytes:,} and {size.high_bytes:,}",
        f"  of it code {size.code_bytes:>14,}",
        f"  limit      {size.limit_bytes:>14,}   margin {margin:,}: {verdict}",
    ]


def _modes(plan: Plan) -> list[str]:
    train = plan.spec.train
    tokens = train.micro_batch_sequences * train.sequence_length
    rows = [
        (
            mode.name,
            len(mode.positions),
            len(mode.sites),
            f"{mode.cost.forward_flops_per_token / 1e6:,.1f} M",
            f"{mode.cost.backward_flops_per_token / 1e6:,.1f} M",
            f"{mode.cost.activation_bytes_per_token / 1024:,.0f} KiB",
            f"{mode.cost.activation_bytes_per_token * tokens / 2**20:,.0f} MiB",
        )
        for mode in plan.modes.values()
    ]
    header = ("mode", "positions", "sites", "forward", "backward", "activations", "micro-batch")
    return [
        "modes",
        *table(header, rows),
        f"  forward, backward: FLOPs a token, in sequences of {train.sequence_length:,} tokens",
        "  activations: bytes a token that the backward pass needs, in float32;",
        f"  micro-batch: the same for {tokens:,} tokens",
    ]


def _cadence(plan: Plan) -> list[str]:
    start, lines = 0, []
    for phase in plan.spec.cadence:
        end = plan.spec.train.stop.steps if phase.until is None else phase.until
        repeated = ", repeated" if len(phase.pattern) > 1 else ""
        lines.append(f"  steps {start:,} to {end - 1:,}: {', '.join(phase.pattern)}{repeated}")
        start = end
    lines += [f"  {activity}: {mode}" for activity, mode in plan.spec.activities.items()]
    return [*lines, f"  average: {_average(plan)}"]


def _average(plan: Plan) -> str:
    """What is scored and packed, and what the average still holds of the initial weights at the end."""
    average, steps = plan.spec.train.average, plan.spec.train.stop.steps
    if average is None:
        return "none, the last weights"
    if average.debias:
        return f"{average.kind} {average.decay:g}, debiased: nothing left of the initial weights"
    return f"{average.kind} {average.decay:g}, not debiased: {average.decay**steps:.2%} of the initial weights left"


def _positions(plan: Plan) -> list[str]:
    """Each by its public identity; a feature that all of them have is said once."""
    common = [name for name in _features(plan) if all(name in position.features for position in plan.positions)]
    rows = [(item.index, item.loop, _identity(item), _listed(item, common)) for item in plan.positions]
    everywhere = f"; all with {', '.join(common)}" if common else ""
    title = f"positions (of mode full{everywhere})"
    return [title, *table(("position", "loop", "stage/block#occurrence", "features"), rows)]


def _features(plan: Plan) -> list[str]:
    return list(dict.fromkeys(name for position in plan.positions for name in position.features))


def _identity(position: Position) -> str:
    return f"{position.stage}/{position.block}#{position.occurrence}"


def _listed(position: Position, common: list[str]) -> str:
    return ", ".join(name for name in position.features if name not in common) or "-"


_Treatment = tuple[str, str, str]  # group, dtype, scheme
_Use = tuple[str, int, int, str]  # shape, elements, sites, modes


def _stores(plan: Plan) -> list[str]:
    """Sections of equal treatment, in the order in which their first stores come."""
    sections: dict[_Treatment, list[tuple[str, _Use]]] = {}
    for store in plan.stores:
        use = (shape_text(store), store.elements, store.sites, _modes_of(plan, store))
        sections.setdefault((store.group, store.dtype, str(store.scheme)), []).append((store.name, use))
    rows = [(treatment, row) for treatment, named in sections.items() for row in fold(named)]
    header, *lines = table(("store", "n", "shape", "elements", "sites", "modes"), [_cells(row) for _, row in rows])
    text = ["stores (n alike a row; elements of all n; sites of mode full that read each)", header]
    for treatment, group in groupby(zip(rows, lines, strict=True), key=lambda item: item[0][0]):
        text += ["", _section_title(treatment, sections[treatment]), *(line for _, line in group)]
    return text


def _section_title(treatment: _Treatment, named: list[tuple[str, _Use]]) -> str:
    group, dtype, scheme = treatment
    return f"  {group}, trained in {dtype}, stored as {scheme}: {sum(use[1] for _, use in named):,} elements"


def _cells(row: Folded[_Use]) -> tuple[object, ...]:
    shape, elements, sites, modes = row.value
    return row.name, row.count, shape, elements * row.count, sites, modes


def _modes_of(plan: Plan, store: PlannedStore) -> str:
    return "all" if set(store.modes) == set(plan.modes) else ", ".join(store.modes) or "none"


def shape_text(store: PlannedStore) -> str:
    """`640 x 128`; a vector is its length, and a single number `scalar`."""
    return " x ".join(map(str, store.shape)) or "scalar"
