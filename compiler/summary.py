"""The plan for a reader: what is stored, where it runs, what it costs, what it weighs."""

from __future__ import annotations

from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING

from .folding import Folded, fold
from .plan import FROZEN, UNASSIGNED, Plan, PlannedStore, Position
from .summary_cadence import cadence_lines
from .summary_modes import feature_lines, graph_lines, mode_lines, stage_lines
from .summary_training import averaging_lines, clock_lines, penalty_lines, quantization_aware_lines
from .tables import table

if TYPE_CHECKING:
    from .size.code import CodeBytes

_WIDTH = 80


def plan_text(plan: Plan, script: CodeBytes | None = None) -> str:
    """Stable text of a plan, about 80 columns wide; equal plans give equal text.

    Every store is named once; stores that differ in nothing but one index share a row, with the indices as ranges.
    `script` is what a script of this plan takes, where that was asked for.
    """
    lines = [
        f"plan of {plan.spec.name}",
        "",
        *_parameters(plan),
        "",
        *_budget(plan),
        *([] if script is None else _script(plan, script)),
        "",
        *stage_lines(plan),
        "",
        *mode_lines(plan),
        "",
        *graph_lines(plan),
        "",
        "cadence",
        *cadence_lines(plan.spec),
        "",
        "training",
        *clock_lines(plan.spec.train),
        *penalty_lines(plan),
        *averaging_lines(plan.spec),
        *quantization_aware_lines(plan),
        "",
        *feature_lines(plan),
        "",
        *_positions(plan),
        "",
        *_stores(plan),
        *_states(plan),
    ]
    return "\n".join(lines) + "\n"


def _parameters(plan: Plan) -> list[str]:
    count, only = len(plan.exported_stores), plan.training_only_parameters
    further = f"in {len(plan.stores) - count} further stores, not in the artifact"
    return [
        "parameters",
        f"  stored     {plan.exported_parameters:>14,}   in {count} stores",
        *([f"  training   {only:>14,}   {further}"] if only else []),
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


def _script(plan: Plan, script: CodeBytes) -> list[str]:
    over = script.wrapped - plan.size.code_bytes
    verdict = "within budget.code_bytes" if over <= 0 else f"{over:,} MORE than budget.code_bytes counts"
    return [
        f"  script     {script.wrapped:>14,}   {verdict}",
        f"             {script.minified:>14,} minified, {script.readable:,} readable",
    ]


def _positions(plan: Plan) -> list[str]:
    """Each by its public identity; a feature that all of them have is said once."""
    common = [name for name in _features(plan) if all(name in position.features for position in plan.positions)]
    rows = [(item.index, item.loop, _identity(item), _listed(item, common)) for item in plan.positions]
    everywhere = f"; all with {', '.join(common)}" if common else ""
    full = len(plan.modes["full"].positions)
    modes = "of mode full" if full == len(plan.positions) else f"the first {full} of mode full"
    title = wrap(f"positions ({modes}{everywhere})", _WIDTH, subsequent_indent="  ")
    return [*title, *table(("position", "loop", "stage/block#occurrence", "features"), rows)]


def _features(plan: Plan) -> list[str]:
    return list(dict.fromkeys(name for position in plan.positions for name in position.features))


def _identity(position: Position) -> str:
    return f"{position.stage}/{position.block}#{position.occurrence}"


def _listed(position: Position, common: list[str]) -> str:
    return ", ".join(name for name in position.features if name not in common) or "-"


_Treatment = tuple[str, str, str]  # group, dtype, what the artifact makes of it
_Use = tuple[str, int, int, str]  # shape, elements, sites, modes


def _stores(plan: Plan) -> list[str]:
    """Sections of equal treatment, in the order in which their first stores come."""
    sections: dict[_Treatment, list[tuple[str, _Use]]] = {}
    for store in plan.stores:
        use = (shape_text(store), store.elements, store.sites, _modes_of(plan, store))
        kept = f"stored as {store.scheme}" if store.exported else "not in the artifact"
        sections.setdefault((store.group, store.dtype, kept), []).append((store.name, use))
    rows = [(treatment, row) for treatment, named in sections.items() for row in fold(named)]
    header, *lines = table(("store", "n", "shape", "elements", "sites", "modes"), [_cells(row) for _, row in rows])
    text = ["stores (n alike a row; elements of all n; sites of mode full that read each)", header]
    for treatment, group in groupby(zip(rows, lines, strict=True), key=lambda item: item[0][0]):
        text += ["", _section_title(treatment, sections[treatment]), *(line for _, line in group)]
    return text


def _states(plan: Plan) -> list[str]:
    """Buffers that training updates."""
    rows = [(state.name, " x ".join(map(str, state.shape)) or "by batch") for state in plan.states]
    return (
        ["", "states (updated by forward passes, not by an optimizer)", *table(("state", "shape"), rows)]
        if rows
        else []
    )


def _section_title(treatment: _Treatment, named: list[tuple[str, _Use]]) -> str:
    group, dtype, kept = treatment
    trained = "untrained" if group in (FROZEN, UNASSIGNED) else "trained"
    return f"  {group}, {trained} in {dtype}, {kept}: {sum(use[1] for _, use in named):,} elements"


def _cells(row: Folded[_Use]) -> tuple[object, ...]:
    shape, elements, sites, modes = row.value
    return row.name, row.count, shape, elements * row.count, sites, modes


def _modes_of(plan: Plan, store: PlannedStore) -> str:
    others = [mode for mode in plan.modes if mode not in store.modes]
    if not others:
        return "all"
    return f"not {', '.join(others)}" if len(others) < len(store.modes) else ", ".join(store.modes) or "none"


def shape_text(store: PlannedStore) -> str:
    """`640 x 128`; a vector is its length, and a single number `scalar`."""
    return " x ".join(map(str, store.shape)) or "scalar"
